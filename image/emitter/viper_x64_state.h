// What viper_x64.h knows about the code it has made so far: part of emit_t in MicroPython 1.25's py/emitnative.c.

// How a value came into a register, so that it can be made anew in another one.
typedef enum {
    X64_LOAD, // memory [base + (index << size) + disp] of 1 << size bytes; index -1: none
    X64_IMM, // lhs op imm
    X64_REG, // lhs op rhs
    X64_MEM, // lhs op [base + disp], of 1 << size bytes
    X64_HALF, // lhs - rhs, the lower halves only
    X64_HALF_MEM, // lhs - [base + disp], likewise
    X64_EXTEND, // the lower half of lhs as a signed number
    X64_BIG, // lhs op 2^31, which goes to rhs first
} x64_made_t;

typedef struct {
    size_t start, end;
    x64_made_t how;
    int reg, op, lhs, rhs, imm;
    int size, base, index, disp;
    bool flags; // they tell whether it is zero, and whether negative
} x64_result_t;

typedef struct {
    size_t known; // the code's end that the next two are about; other code makes them void
    unsigned words, halves; // registers whose upper 32 and 48 bits are known to be 0
    x64_result_t last, before[2]; // the last instruction that made a value, and those before it
    struct {
        size_t start, end;
        int cc;
    } flags; // a comparison's result, made from the flags
    struct {
        size_t end;
        int reg, local;
    } kept; // a local in memory was stored from reg
} viper_state_t;
