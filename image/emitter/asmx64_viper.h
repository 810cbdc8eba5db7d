// Instructions of x86-64 that viper_x64.h asks for, and jumps that are as short as they can be: passes are repeated
// until no label moves any more. Included by MicroPython 1.25's py/asmx64.c, after asmx64.patch.
// Follows the Intel SDM vol. 2: 2.1 (ModR/M, SIB, REX), opcodes as in its instruction reference. Sizes are 1 << size bytes.

// Whether a jump reaches its label with one byte. One forwards goes by where the label was in the pass before: it
// can only have come nearer since, by `shrunk` at least.
static bool is_near(asm_x64_t *as, mp_int_t rel, mp_uint_t label) {
    if (get_label_dest(as, label) != (mp_uint_t)-1 && rel < 0) {
        return rel - 2 >= -128;
    }
    return as->old_offsets[label] != (size_t)-1 && (mp_int_t)(as->old_offsets[label] - as->shrunk - as->base.code_offset) <= 127 + 2;
}

// Where a jump to this label ends: behind some labels stands another jump, as the passes before have shown.
static mp_uint_t final_label(asm_x64_t *as, mp_uint_t label) {
    for (int i = 0; i < 16 && as->alias[label] != (size_t)-1; i++) {
        label = as->alias[label];
    }
    return label;
}

// Control goes on at `to` where it arrives at the label that has been put here.
static void note_alias(asm_x64_t *as, size_t to) {
    if (as->label_end == as->base.code_offset && as->label != to && as->alias[as->label] != to && !as->base.suppress) {
        as->alias[as->label] = to;
        as->moved = true;
    }
}

static void note_jump(asm_x64_t *as, x64_jump_t *jump, size_t start, int jcc_type, mp_uint_t label) {
    if (!as->base.suppress) {
        *jump = (x64_jump_t) { start, as->base.code_offset, label, jcc_type };
    }
}

// Begins a pass with what is known of the one before; returns whether the code may be emitted now.
bool asm_x64_start_pass(asm_x64_t *as, bool first, bool last) {
    size_t size = as->base.max_num_labels * sizeof(size_t);
    if (as->old_offsets == NULL) {
        as->old_offsets = m_new(size_t, as->base.max_num_labels);
        as->alias = m_new(size_t, as->base.max_num_labels);
    }
    if (first) {
        memset(as->alias, -1, size);
    }
    as->settled = last && !as->moved && memcmp(as->old_offsets, as->base.label_offsets, size) == 0;
    if (last) {
        memcpy(as->old_offsets, as->base.label_offsets, size);
    } else {
        memset(as->old_offsets, -1, size);
    }
    as->shrunk = 0;
    as->moved = false;
    as->label_end = as->over.end = as->jump.end = -1;
    return as->settled;
}

void asm_x64_label_assign(asm_x64_t *as, size_t label) {
    x64_jump_t over = as->over, jump = as->jump;
    if (jump.end == as->base.code_offset && over.end == jump.start && over.label == label && as->label_end != jump.start) {
        // a jump over a jump: the opposite condition does it
        as->base.suppress = false;
        as->base.code_offset = over.start;
        asm_x64_jcc_label(as, over.jcc_type ^ 1, jump.label);
    }
    mp_uint_t here = as->base.code_offset;
    mp_asm_base_label_assign(&as->base, label);
    note_alias(as, label);
    as->label = label;
    as->label_end = here;
    as->jump.end = -1;
    if (as->old_offsets[label] != (size_t)-1) {
        as->shrunk = as->old_offsets[label] - as->base.code_offset;
    }
}

// Prefixes and opcode (two bytes where it is 0x0f..) of an instruction; `byte`: a register whose low byte is meant, or 0
static void opcode(asm_x64_t *as, int size, int op, int rex, int byte) {
    rex |= size == 3 ? REX_W : 0;
    if (size == 1) {
        asm_x64_write_byte_1(as, OP_SIZE_PREFIX);
    }
    if (rex || byte >= 4) { // spl to dil want a prefix
        asm_x64_write_byte_1(as, REX_PREFIX | rex);
    }
    if (op > 0xff) {
        asm_x64_write_byte_1(as, op >> 8);
    }
    asm_x64_write_byte_1(as, op);
}

// An instruction with a register and [base + (index << scale) + disp]; index -1: none
static void insn_mem(asm_x64_t *as, int size, int op, int r64, int byte, int base, int index, int scale, int disp) {
    opcode(as, size, op, REX_R_FROM_R64(r64) | REX_B_FROM_R64(base) | (index < 0 ? 0 : REX_X_FROM_R64(index)), byte);
    if (index < 0) {
        asm_x64_write_r64_disp(as, r64, base, disp);
        return;
    }
    bool none = disp == 0 && (base & 7) != ASM_X64_REG_RBP, near = disp >= -128 && disp < 128;
    asm_x64_write_byte_2(as, MODRM_R64(r64) | (none ? MODRM_RM_DISP0 : near ? MODRM_RM_DISP8 : MODRM_RM_DISP32) | 4,
        scale << 6 | (index & 7) << 3 | (base & 7));
    if (!none && near) {
        asm_x64_write_byte_1(as, disp);
    } else if (!none) {
        asm_x64_write_word32(as, disp);
    }
}

static void insn_reg(asm_x64_t *as, int size, int op, int r64, int rm, int byte) {
    opcode(as, size, op, REX_R_FROM_R64(r64) | REX_B_FROM_R64(rm), byte);
    asm_x64_write_byte_1(as, MODRM_R64(r64) | MODRM_RM_REG | MODRM_RM_R64(rm));
}

static void imm_bytes(asm_x64_t *as, int size, int imm) {
    for (int i = 0; i < (size == 3 ? 4 : 1 << size); i++) {
        asm_x64_write_byte_1(as, imm >> 8 * i);
    }
}

// r64 = memory, zero-extended
void asm_x64_load(asm_x64_t *as, int size, int r64, int base, int index, int disp) {
    insn_mem(as, size == 3 ? 3 : 2, size >= 2 ? OPCODE_MOV_RM64_TO_R64 : 0x0f00 | (size ? OPCODE_MOVZX_RM16_TO_R64 : OPCODE_MOVZX_RM8_TO_R64),
        r64, 0, base, index, size, disp);
}

void asm_x64_store(asm_x64_t *as, int size, int r64, int base, int index, int disp) {
    insn_mem(as, size, size ? 0x89 : 0x88, r64, size ? 0 : r64, base, index, size, disp);
}

void asm_x64_store_imm(asm_x64_t *as, int size, int imm, int base, int index, int disp) {
    insn_mem(as, size, size ? 0xc7 : 0xc6, 0, 0, base, index, size, disp);
    imm_bytes(as, size, imm);
}

// r64 = r64 op memory; size 2 or 3; op 7 compares only
void asm_x64_alu_load(asm_x64_t *as, int size, int op, int r64, int base, int disp) {
    insn_mem(as, size, op << 3 | 3, r64, 0, base, -1, 0, disp);
}

// memory = memory op r64
void asm_x64_alu_store(asm_x64_t *as, int size, int op, int r64, int base, int disp) {
    insn_mem(as, size, op << 3 | (size != 0), r64, size ? 0 : r64, base, -1, 0, disp);
}

// memory = memory op imm
void asm_x64_alu_mem(asm_x64_t *as, int size, int op, int imm, int base, int disp) {
    bool byte = size == 0 || (imm >= -128 && imm <= 127);
    insn_mem(as, size, size == 0 ? 0x80 : byte ? OPCODE_ADD_I8_TO_RM32 : OPCODE_ADD_I32_TO_RM32, op, 0, base, -1, 0, disp);
    imm_bytes(as, byte ? 0 : size, imm);
}

// Sets the flags for memory & imm. All of it is read, as a device's register has to be.
void asm_x64_test_mem(asm_x64_t *as, int size, int imm, int base, int disp) {
    insn_mem(as, size, size ? 0xf7 : 0xf6, 0, 0, base, -1, 0, disp);
    imm_bytes(as, size, imm);
}

void asm_x64_test_i32(asm_x64_t *as, int r64, int imm) {
    int size = imm < 0 ? 3 : imm > 127 ? 2 : 0; // the sign of the result is that of 64 bits
    insn_reg(as, size, size ? 0xf7 : 0xf6, 0, r64, size ? 0 : r64);
    imm_bytes(as, size, imm);
}

// size 2 or 3; op 7 compares only
void asm_x64_alu_r64(asm_x64_t *as, int size, int op, int dest, int src) {
    insn_reg(as, size, op << 3 | 1, src, dest, 0);
}

void asm_x64_alu_i32(asm_x64_t *as, int size, int op, int dest, int imm) {
    bool byte = imm >= -128 && imm <= 127;
    size = op == 4 && imm >= 0 ? 2 : size; // the upper half becomes zero in any case
    if (dest == ASM_X64_REG_RAX && !byte) {
        opcode(as, size, op << 3 | 5, 0, 0);
    } else {
        insn_reg(as, size, byte ? OPCODE_ADD_I8_TO_RM32 : OPCODE_ADD_I32_TO_RM32, op, dest, 0);
    }
    imm_bytes(as, byte ? 0 : 2, imm);
}

// dest = lhs op imm. Returns whether the flags tell about it: zero, and negative.
bool asm_x64_op_i32(asm_x64_t *as, int op, int dest, int lhs, int imm) {
    bool same = dest == lhs;
    if (op == ASM_X64_MOV32) {
        insn_reg(as, 2, 0x89, lhs, dest, 0);
        return false;
    }
    if (op == ASM_X64_AND && (imm == 0xff || imm == 0xffff)) {
        insn_reg(as, 2, 0x0f00 | (imm == 0xff ? OPCODE_MOVZX_RM8_TO_R64 : OPCODE_MOVZX_RM16_TO_R64), dest, lhs, imm == 0xff ? lhs : 0);
        return false;
    }
    if (!same && (op == ASM_X64_ADD || (op == ASM_X64_SUB && imm != INT32_MIN))) {
        asm_x64_lea_disp_to_r64(as, lhs, op == ASM_X64_ADD ? imm : -imm, dest);
        return false;
    }
    if (!same && op == ASM_X64_SHL && imm >= 1 && imm <= 3) {
        opcode(as, 3, 0x8d, REX_R_FROM_R64(dest) | REX_X_FROM_R64(lhs), 0); // [lhs << imm + disp32]: no base
        asm_x64_write_byte_2(as, MODRM_R64(dest) | MODRM_RM_DISP0 | 4, imm << 6 | (lhs & 7) << 3 | 5);
        asm_x64_write_word32(as, 0);
        return false;
    }
    bool half = op == ASM_X64_SWAP || (op == ASM_X64_AND && imm >= 0);
    if (!same) {
        insn_reg(as, half ? 2 : 3, 0x89, lhs, dest, 0);
    }
    if (op == ASM_X64_SWAP) {
        insn_reg(as, 1, 0xc1, 0, dest, 0); // ROL
        asm_x64_write_byte_1(as, 8);
        return false;
    }
    if (op >= ASM_X64_SHL) {
        insn_reg(as, 3, 0xc1, op & 7, dest, 0);
        asm_x64_write_byte_1(as, imm);
        return imm != 0;
    }
    asm_x64_alu_i32(as, 3, op, dest, imm);
    return true;
}

// dest = lhs op rhs
bool asm_x64_op_r64(asm_x64_t *as, int op, int dest, int lhs, int rhs) {
    if (dest == rhs && op != ASM_X64_SUB) {
        rhs = lhs;
        lhs = dest;
    }
    if (dest != lhs && op == ASM_X64_ADD) {
        insn_mem(as, 3, 0x8d, dest, 0, lhs, rhs, 0, 0);
        return false;
    }
    if (dest == rhs && dest != lhs) {
        insn_reg(as, 3, 0xf7, 3, dest, 0); // NEG
        asm_x64_alu_r64(as, 3, ASM_X64_ADD, dest, lhs);
        return true;
    }
    if (dest != lhs) {
        asm_x64_mov_r64_r64(as, dest, lhs);
    }
    asm_x64_alu_r64(as, 3, op, dest, rhs);
    return true;
}

// dest = the lower half of src as a signed number
void asm_x64_movsx_r32(asm_x64_t *as, int dest, int src) {
    insn_reg(as, 3, 0x63, dest, src, 0);
}

void asm_x64_movzx_r8(asm_x64_t *as, int r64) {
    insn_reg(as, 2, 0x0f00 | OPCODE_MOVZX_RM8_TO_R64, r64, r64, r64);
}

// Sets the flags for the lower half of a register.
void asm_x64_test_half(asm_x64_t *as, int r64) {
    insn_reg(as, 2, 0x85, r64, r64, 0);
}
