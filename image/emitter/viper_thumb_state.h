// What viper_thumb.h knows about the code it has made so far: part of emit_t in MicroPython 1.25's py/emitnative.c.

enum { THUMB_SCRATCH = 4 }; // r0 to r3 hold values; those above hold locals

typedef enum { THUMB_NOTHING, THUMB_SLOT, THUMB_NUMBER } thumb_kind_t;

// How a value came into a register, so that it can be made anew in another one.
typedef enum { THUMB_OP_IMM, THUMB_OP_REG, THUMB_LOAD, THUMB_LOAD_INDEX, THUMB_LOAD_SLOT, THUMB_OP_SHIFTED, THUMB_LOAD_PAIR } thumb_made_t;

typedef struct {
    thumb_kind_t kind; // a copy of a word of the frame, or a number
    mp_int_t what;
    unsigned used; // when
} thumb_held_t;

// What r0 to r3 hold at all the jumps forwards to a label so far, `known` of them.
typedef struct {
    uint16_t known;
    thumb_held_t holds[THUMB_SCRATCH];
} thumb_label_t;

typedef struct {
    size_t start, end;
    thumb_made_t how;
    int reg, op, lhs, rhs; // op of a pair: the register of the word before; rhs: a register, an index, a displacement, a slot
    int32_t imm;
    bool flags; // N and Z tell about it
} thumb_result_t;

typedef struct {
    size_t known; // the code's end that `holds` is about; other code makes it void
    thumb_held_t holds[THUMB_SCRATCH];
    unsigned clock;
    unsigned small; // the registers whose upper 16 bits are known to be 0
    thumb_result_t last, before[2]; // the last instruction that made a value, and those before it
    struct {
        size_t start, end; // of the last store of a word
        int reg, base, disp;
    } stored;
    struct {
        size_t start, end; // of making a value of a comparison
        int cc, zero; // zero: the register that was compared with 0, or -1
        size_t compare, compared; // where that comparison begins and ends
    } flags;
} viper_state_t;
