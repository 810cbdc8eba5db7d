// Instructions of x86-64 that viper_x64.h asks for, and jumps that are as short as they can be: passes are repeated
// until no label moves any more. Included by MicroPython 1.25's py/asmx64.c, after asmx64.patch.
// Follows the Intel SDM vol. 2: 2.1 (ModR/M, SIB, REX), opcodes as in its instruction reference.

// Whether a jump reaches its label with one byte. One forwards goes by where the label was in the pass before: it
// can only have come nearer since, by `shrunk` at least.
static bool is_near(asm_x64_t *as, mp_int_t rel, mp_uint_t label) {
    if (get_label_dest(as, label) != (mp_uint_t)-1 && rel < 0) {
        return rel - 2 >= -128;
    }
    return as->old_offsets[label] != (size_t)-1 && (mp_int_t)(as->old_offsets[label] - as->shrunk - as->base.code_offset) <= 127 + 2;
}

// Begins a pass with what is known of the one before; returns whether the code may be emitted now.
bool asm_x64_start_pass(asm_x64_t *as, bool last) {
    if (as->old_offsets == NULL) {
        as->old_offsets = m_new(size_t, as->base.max_num_labels);
    }
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

void asm_x64_label_assign(asm_x64_t *as, size_t label) {
    mp_asm_base_label_assign(&as->base, label);
    if (as->old_offsets[label] != (size_t)-1) {
        as->shrunk = as->old_offsets[label] - as->base.code_offset;
    }
}

// One instruction with a memory operand [base + (index << size) + disp] of 1 << size bytes; index -1: none.
void asm_x64_mem(asm_x64_t *as, int size, int op, int r64, int base, int index, int disp) {
    int rex = REX_R_FROM_R64(r64) | REX_B_FROM_R64(base) | (index < 0 ? 0 : REX_X_FROM_R64(index));
    if (op == ASM_X64_OP_STORE || op == ASM_X64_OP_STORE_IMM) {
        if (size == 1) {
            asm_x64_write_byte_1(as, OP_SIZE_PREFIX);
        }
        if (rex || (size == 0 && op == ASM_X64_OP_STORE && r64 >= 4)) { // sil, dil
            asm_x64_write_byte_1(as, REX_PREFIX | rex);
        }
        asm_x64_write_byte_1(as, op | (size != 0));
    } else {
        if (rex) {
            asm_x64_write_byte_1(as, REX_PREFIX | rex);
        }
        if (size == 2) {
            asm_x64_write_byte_1(as, OPCODE_MOV_RM64_TO_R64);
        } else {
            asm_x64_write_byte_2(as, 0x0f, size ? OPCODE_MOVZX_RM16_TO_R64 : OPCODE_MOVZX_RM8_TO_R64);
        }
    }
    if (index < 0) {
        asm_x64_write_r64_disp(as, r64, base, disp);
    } else {
        int rm = (base & 7) == ASM_X64_REG_RBP ? MODRM_RM_DISP8 : MODRM_RM_DISP0;
        asm_x64_write_byte_2(as, MODRM_R64(r64) | rm | 4, size << 6 | (index & 7) << 3 | (base & 7));
        if (rm == MODRM_RM_DISP8) {
            asm_x64_write_byte_1(as, 0);
        }
    }
}

void asm_x64_store_imm(asm_x64_t *as, int size, int imm, int base, int index, int disp) {
    asm_x64_mem(as, size, ASM_X64_OP_STORE_IMM, 0, base, index, disp);
    for (int i = 0; i < 1 << size; i++) {
        asm_x64_write_byte_1(as, imm >> 8 * i);
    }
}

// [base + disp] = [base + disp] op imm; op 7 compares only
void asm_x64_alu_mem(asm_x64_t *as, int size, int op, int imm, int base, int disp) {
    bool byte_imm = size == 0 || (imm >= -128 && imm <= 127);
    if (size == 1) {
        asm_x64_write_byte_1(as, OP_SIZE_PREFIX);
    }
    if (size == 3 || base >= 8) {
        asm_x64_write_byte_1(as, REX_PREFIX | (size == 3 ? REX_W : 0) | REX_B_FROM_R64(base));
    }
    asm_x64_write_byte_1(as, size == 0 ? 0x80 : byte_imm ? OPCODE_ADD_I8_TO_RM32 : OPCODE_ADD_I32_TO_RM32);
    asm_x64_write_r64_disp(as, op, base, disp);
    for (int i = 0; i < (byte_imm ? 1 : size == 1 ? 2 : 4); i++) {
        asm_x64_write_byte_1(as, imm >> 8 * i);
    }
}

void asm_x64_alu_i32(asm_x64_t *as, int op, int dest_r64, int imm) {
    if (op == 4 && imm >= 0 && dest_r64 < 8) {
        // the upper half becomes zero without REX_W as well
        bool byte_imm = imm <= 127;
        if (dest_r64 == ASM_X64_REG_RAX && !byte_imm) {
            asm_x64_write_byte_1(as, op << 3 | 5);
        } else {
            asm_x64_write_byte_2(as, byte_imm ? OPCODE_ADD_I8_TO_RM32 : OPCODE_ADD_I32_TO_RM32, MODRM_R64(op) | MODRM_RM_REG | MODRM_RM_R64(dest_r64));
        }
        if (byte_imm) {
            asm_x64_write_byte_1(as, imm);
        } else {
            asm_x64_write_word32(as, imm);
        }
    } else if (imm >= -128 && imm <= 127) {
        asm_x64_generic_r64_r64(as, dest_r64, op, OPCODE_ADD_I8_TO_RM32);
        asm_x64_write_byte_1(as, imm);
    } else {
        if (dest_r64 == ASM_X64_REG_RAX) {
            asm_x64_write_byte_2(as, REX_PREFIX | REX_W, op << 3 | 5);
        } else {
            asm_x64_generic_r64_r64(as, dest_r64, op, OPCODE_ADD_I32_TO_RM32);
        }
        asm_x64_write_word32(as, imm);
    }
}

void asm_x64_alu_r64(asm_x64_t *as, int op, int dest_r64, int src_r64) {
    asm_x64_generic_r64_r64(as, dest_r64, src_r64, op << 3 | 1);
}

void asm_x64_shift_i8(asm_x64_t *as, int op, int dest_r64, int imm) {
    asm_x64_generic_r64_r64(as, dest_r64, op, 0xc1);
    asm_x64_write_byte_1(as, imm);
}

// Clears the upper half of a register.
void asm_x64_mov_r32_r32(asm_x64_t *as, int r64) {
    if (r64 >= 8) {
        asm_x64_write_byte_1(as, REX_PREFIX | REX_R | REX_B);
    }
    asm_x64_write_byte_2(as, OPCODE_MOV_R64_TO_RM64, MODRM_R64(r64) | MODRM_RM_REG | MODRM_RM_R64(r64));
}

void asm_x64_movsx_r32(asm_x64_t *as, int r64) {
    asm_x64_generic_r64_r64(as, r64, r64, 0x63);
}

void asm_x64_movzx_r8(asm_x64_t *as, int r64) {
    asm_x64_write_byte_3(as, 0x0f, OPCODE_MOVZX_RM8_TO_R64, MODRM_R64(r64) | MODRM_RM_REG | MODRM_RM_R64(r64));
}
