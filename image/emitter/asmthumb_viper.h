// Instructions of ARMv7-M that viper_thumb.h asks for, and jumps that are as short as they can be: passes are repeated
// until no label moves any more. Included by MicroPython 1.25's py/asmthumb.c, after asmthumb.patch.
// Follows the ARMv7-M Architecture Reference Manual, A5 (encodings) and A7.7 (instructions). Registers are r0 to r12 and r14.

// Whether a jump reaches its label with offsets from `least` to `most`. One forwards goes by where the label was in the
// pass before: it can only have come nearer since, by `shrunk` at least.
static bool is_near(asm_thumb_t *as, size_t label, int least, int most) {
    size_t dest = get_label_dest(as, label), here = as->base.code_offset;
    if (dest != (size_t)-1 && dest <= here) {
        return (mp_int_t)(dest - here) - 4 >= least;
    }
    return as->old_offsets != NULL && asm_thumb_allow_armv7m(as) && as->old_offsets[label] != (size_t)-1
           && (mp_int_t)(as->old_offsets[label] - as->shrunk - here) - 4 <= most;
}

// A jump to a label, or its address, stands in the code.
static void note_jump(asm_thumb_t *as, size_t label) {
    size_t dest = get_label_dest(as, label);
    if (as->old_offsets == NULL || as->base.suppress) {
        return;
    }
    if (dest != (size_t)-1 && dest <= as->base.code_offset) {
        as->loops[label] = true;
    } else {
        as->jumps[label]++;
    }
}

// Begins a pass with what is known of the one before; returns whether the code may be emitted now.
bool asm_thumb_start_pass(asm_thumb_t *as, bool last) {
    if (as->old_offsets == NULL) {
        as->old_offsets = m_new(size_t, as->base.max_num_labels);
        as->loops = m_new0(bool, as->base.max_num_labels);
        as->jumps = m_new(uint16_t, as->base.max_num_labels);
    }
    memset(as->jumps, 0, as->base.max_num_labels * sizeof(uint16_t));
    size_t size = as->base.max_num_labels * sizeof(size_t);
    as->settled = last && memcmp(as->old_offsets, as->base.label_offsets, size) == 0;
    if (last) {
        memcpy(as->old_offsets, as->base.label_offsets, size);
    } else {
        memset(as->old_offsets, -1, size);
    }
    as->shrunk = 0;
    return as->settled;
}

void asm_thumb_label_assign(asm_thumb_t *as, size_t label) {
    mp_asm_base_label_assign(&as->base, label);
    if (as->old_offsets[label] != (size_t)-1) {
        as->shrunk = as->old_offsets[label] - as->base.code_offset;
    }
}

// CBZ and CBNZ go forwards only, and not to what stands right behind them. False: the label is too far away.
bool asm_thumb_cbz_label(asm_thumb_t *as, bool nonzero, int reg, size_t label) {
    size_t dest = get_label_dest(as, label), here = as->base.code_offset;
    if ((dest != (size_t)-1 && dest <= here) || !is_near(as, label, 0, 126)) {
        return false;
    }
    note_jump(as, label);
    int rel = dest - here - 4;
    asm_thumb_op16(as, rel < 0 ? ASM_THUMB_OP_NOP : 0xb100 | nonzero << 11 | (rel >> 6 & 1) << 9 | (rel >> 1 & 31) << 3 | reg);
    return true;
}

// Whether these are registers that a 16-bit instruction can name.
static bool low(int a, int b, int c) {
    return (a | b | c) < 8;
}

// A5.3.2: the 12 bits that stand for a number as a modified immediate constant, -1 where there are none.
static int modified_immediate(uint32_t n) {
    uint32_t byte = n & 0xff, upper = n >> 8 & 0xff;
    if (n == byte) {
        return n;
    }
    if (n == (byte | byte << 16)) {
        return 0x100 | byte;
    }
    if (n == (upper << 8 | upper << 24)) {
        return 0x200 | upper;
    }
    if (n == byte * 0x01010101) {
        return 0x300 | byte;
    }
    for (int turn = 8; turn < 32; turn++) {
        uint32_t turned = n << turn | n >> (32 - turn);
        if (turned >= 0x80 && turned <= 0xff) {
            return turn << 7 | (turned & 0x7f);
        }
    }
    return -1;
}

// A5.3.1 and A5.3.3, data processing with a 12-bit immediate operand.
static void data_i12(asm_thumb_t *as, uint op, int dest, int lhs, int imm) {
    asm_thumb_op32(as, op | (imm >> 11 & 1) << 10 | lhs, (imm >> 8 & 7) << 12 | dest << 8 | (imm & 0xff));
}

enum { AND_W = 0xf010, BIC_W = 0xf030, ORR_W = 0xf050, EOR_W = 0xf090, ADD_W = 0xf110, SUB_W = 0xf1b0, // all set the flags
       MOV_W = 0xf04f, MVN_W = 0xf06f, ADDW = 0xf200, SUBW = 0xf2a0, UBFX = 0xf3c0, NONE = 15 };

// dest = number
void asm_thumb_number(asm_thumb_t *as, int dest, uint32_t number) {
    if (number <= 0xff && low(dest, 0, 0)) {
        asm_thumb_mov_rlo_i8(as, dest, number);
    } else if (modified_immediate(number) >= 0) {
        data_i12(as, MOV_W, dest, 0, modified_immediate(number));
    } else if (modified_immediate(~number) >= 0) {
        data_i12(as, MVN_W, dest, 0, modified_immediate(~number));
    } else {
        asm_thumb_mov_reg_i32_optimised(as, dest, number);
    }
}

static int add_i32(asm_thumb_t *as, int dest, int lhs, uint32_t imm) {
    uint32_t minus = -imm;
    bool narrow = low(dest, lhs, 0);
    if (narrow && imm < 8) {
        asm_thumb_add_rlo_rlo_i3(as, dest, lhs, imm);
    } else if (narrow && minus < 8) {
        asm_thumb_sub_rlo_rlo_i3(as, dest, lhs, minus);
    } else if (narrow && dest == lhs && imm <= 0xff) {
        asm_thumb_add_rlo_i8(as, dest, imm);
    } else if (narrow && dest == lhs && minus <= 0xff) {
        asm_thumb_sub_rlo_i8(as, dest, minus);
    } else if (modified_immediate(imm) >= 0) {
        data_i12(as, ADD_W, dest, lhs, modified_immediate(imm));
    } else if (modified_immediate(minus) >= 0) {
        data_i12(as, SUB_W, dest, lhs, modified_immediate(minus));
    } else if (imm < 4096 || minus < 4096) {
        data_i12(as, imm < 4096 ? ADDW : SUBW, dest, lhs, imm < 4096 ? imm : minus);
        return ASM_THUMB_DONE;
    } else {
        return ASM_THUMB_CANNOT;
    }
    return ASM_THUMB_DONE_FLAGS;
}

static int and_i32(asm_thumb_t *as, int dest, int lhs, uint32_t imm) {
    if ((imm == 0xff || imm == 0xffff) && low(dest, lhs, 0)) {
        asm_thumb_format_11(as, imm == 0xff ? ASM_THUMB_FORMAT_11_UXTB : ASM_THUMB_FORMAT_11_UXTH, dest, lhs);
        return ASM_THUMB_DONE;
    }
    if (modified_immediate(imm) >= 0) {
        data_i12(as, AND_W, dest, lhs, modified_immediate(imm));
    } else if (modified_immediate(~imm) >= 0) {
        data_i12(as, BIC_W, dest, lhs, modified_immediate(~imm));
    } else if ((imm & (imm + 1)) == 0) {
        asm_thumb_op32(as, UBFX | lhs, dest << 8 | (31 - __builtin_clz(imm)));
        return ASM_THUMB_DONE;
    } else {
        return ASM_THUMB_CANNOT;
    }
    return ASM_THUMB_DONE_FLAGS;
}

// A5.3.11, data processing with a shifted register
static void shifted(asm_thumb_t *as, uint op, int dest, int rhs, int kind, int shift) {
    int type = kind == ASM_THUMB_LSL ? 0 : kind == ASM_THUMB_LSR ? 1 : 2;
    asm_thumb_op32(as, op, (shift >> 2) << 12 | dest << 8 | (shift & 3) << 6 | type << 4 | rhs);
}

// dest = lhs op imm
int asm_thumb_op_i32(asm_thumb_t *as, int op, int dest, int lhs, int32_t imm) {
    switch (op) {
        case ASM_THUMB_ADD:
            return add_i32(as, dest, lhs, imm);
        case ASM_THUMB_SUB:
            return add_i32(as, dest, lhs, -(uint32_t)imm);
        case ASM_THUMB_AND:
            return and_i32(as, dest, lhs, imm);
        case ASM_THUMB_XOR:
            if (imm == -1) {
                asm_thumb_op32(as, 0xea7f, dest << 8 | lhs); // MVNS.W
                return ASM_THUMB_DONE_FLAGS;
            }
            MP_FALLTHROUGH
        case ASM_THUMB_OR:
            if (modified_immediate(imm) < 0) {
                return ASM_THUMB_CANNOT;
            }
            data_i12(as, op == ASM_THUMB_OR ? ORR_W : EOR_W, dest, lhs, modified_immediate(imm));
            return ASM_THUMB_DONE_FLAGS;
        case ASM_THUMB_REV16:
            if (low(dest, lhs, 0)) {
                asm_thumb_op16(as, 0xba40 | lhs << 3 | dest);
            } else {
                asm_thumb_op32(as, 0xfa90 | lhs, 0xf090 | dest << 8 | lhs);
            }
            return ASM_THUMB_DONE;
        case ASM_THUMB_FIELD: {
            int shift = imm & 31, width = imm >> 5;
            if (shift + width != 32) {
                asm_thumb_op32(as, UBFX | lhs, (shift >> 2) << 12 | dest << 8 | (shift & 3) << 6 | (width - 1));
                return ASM_THUMB_DONE;
            }
            op = ASM_THUMB_LSR;
            imm = shift;
            MP_FALLTHROUGH
        }
        case ASM_THUMB_LSL:
        case ASM_THUMB_ASR:
        case ASM_THUMB_LSR:
            if (imm < 1 || imm > 31) {
                return ASM_THUMB_CANNOT;
            }
            if (!low(dest, lhs, 0)) {
                shifted(as, 0xea5f, dest, lhs, op, imm); // MOVS.W
                return ASM_THUMB_DONE_FLAGS;
            }
            asm_thumb_format_1(as, op == ASM_THUMB_LSL ? ASM_THUMB_FORMAT_1_LSL : op == ASM_THUMB_ASR ? ASM_THUMB_FORMAT_1_ASR
                : ASM_THUMB_FORMAT_1_LSR, dest, lhs, imm);
            return ASM_THUMB_DONE_FLAGS;
        default:
            return ASM_THUMB_CANNOT;
    }
}

// dest = lhs op rhs
int asm_thumb_op_reg(asm_thumb_t *as, int op, int dest, int lhs, int rhs) {
    static const uint16_t narrow[] = {0, 0, ASM_THUMB_FORMAT_4_AND, ASM_THUMB_FORMAT_4_ORR, ASM_THUMB_FORMAT_4_EOR, ASM_THUMB_FORMAT_4_MUL,
                                      ASM_THUMB_FORMAT_4_LSL, ASM_THUMB_FORMAT_4_ASR, ASM_THUMB_FORMAT_4_LSR};
    static const uint16_t wide[] = {0xeb10, 0xebb0, 0xea10, 0xea50, 0xea90, 0xfb00, 0xfa10, 0xfa50, 0xfa30}; // A5.3.11, A5.3.12, A5.3.16
    if (low(dest, lhs, rhs) && op == ASM_THUMB_ADD) {
        asm_thumb_add_rlo_rlo_rlo(as, dest, lhs, rhs);
    } else if (low(dest, lhs, rhs) && op == ASM_THUMB_SUB) {
        asm_thumb_sub_rlo_rlo_rlo(as, dest, lhs, rhs);
    } else if (low(dest, lhs, rhs) && dest == lhs) {
        asm_thumb_format_4(as, narrow[op], dest, rhs);
    } else if (low(dest, lhs, rhs) && dest == rhs && op <= ASM_THUMB_MUL) {
        asm_thumb_format_4(as, narrow[op], dest, lhs);
    } else {
        asm_thumb_op32(as, wide[op] | lhs, (op >= ASM_THUMB_MUL ? 0xf000 : 0) | dest << 8 | rhs);
        return op == ASM_THUMB_MUL ? ASM_THUMB_DONE : ASM_THUMB_DONE_FLAGS;
    }
    return ASM_THUMB_DONE_FLAGS;
}

// dest = lhs op (rhs shifted by shift, which is 1 to 31), where the operation is the first of A5.3.11's with a shifted operand
void asm_thumb_op_shifted(asm_thumb_t *as, int op, int dest, int lhs, int rhs, int kind, int shift) {
    static const uint16_t wide[] = {0xeb10, 0xebb0, 0xea10, 0xea50, 0xea90};
    shifted(as, wide[op] | lhs, dest, rhs, kind, shift);
}

void asm_thumb_cmp_reg(asm_thumb_t *as, int lhs, int rhs) {
    if (low(lhs, rhs, 0)) {
        asm_thumb_cmp_rlo_rlo(as, lhs, rhs);
    } else {
        asm_thumb_op16(as, 0x4500 | (lhs >> 3) << 7 | rhs << 3 | (lhs & 7));
    }
}

// Compares a register with a number. False: it has to be in a register.
bool asm_thumb_cmp_i32(asm_thumb_t *as, int reg, int32_t imm) {
    if (imm >= 0 && imm <= 0xff && low(reg, 0, 0)) {
        asm_thumb_cmp_rlo_i8(as, reg, imm);
    } else if (modified_immediate(imm) >= 0) {
        data_i12(as, SUB_W, NONE, reg, modified_immediate(imm));
    } else if (modified_immediate(-(uint32_t)imm) >= 0) {
        data_i12(as, ADD_W, NONE, reg, modified_immediate(-(uint32_t)imm));
    } else {
        return false;
    }
    return true;
}

// Whether an access of 1 << size bytes can name its place as a register and `disp`.
bool asm_thumb_reaches(int size, int disp) {
    (void)size;
    return disp >= -255 && disp < 4096;
}

// A load or a store of 1 << size bytes at base + disp
void asm_thumb_access(asm_thumb_t *as, int size, bool store, int reg, int base, int disp) {
    static const uint16_t narrow[] = {0x7000, 0x8000, 0x6000};
    if (low(reg, base, 0) && disp >= 0 && disp < 32 << size && (disp & ((1 << size) - 1)) == 0) {
        asm_thumb_op16(as, narrow[size] | !store << 11 | disp >> size << 6 | base << 3 | reg);
    } else if (disp >= 0) {
        asm_thumb_op32(as, 0xf880 | size << 5 | !store << 4 | base, reg << 12 | disp);
    } else {
        asm_thumb_op32(as, 0xf800 | size << 5 | !store << 4 | base, reg << 12 | 0xc00 | -disp);
    }
}

// A5.3.6: whether one instruction can access the two words at base + `disp`; both are to be aligned then.
bool asm_thumb_reaches_pair(int disp) {
    return disp >= -1020 && disp <= 1020 && (disp & 3) == 0;
}

void asm_thumb_access_pair(asm_thumb_t *as, bool store, int first, int second, int base, int disp) {
    bool up = disp >= 0;
    asm_thumb_op32(as, 0xe940 | up << 7 | !store << 4 | base, first << 12 | second << 8 | (up ? disp : -disp) >> 2);
}

// The same as asm_thumb_access at base + (index << size)
void asm_thumb_access_index(asm_thumb_t *as, int size, bool store, int reg, int base, int index) {
    if (size == 0 && low(reg, base, index)) {
        asm_thumb_op16(as, (store ? 0x5400 : 0x5c00) | index << 6 | base << 3 | reg);
    } else {
        asm_thumb_op32(as, 0xf800 | size << 5 | !store << 4 | base, reg << 12 | size << 4 | index);
    }
}
