// Viper's operands on x86-64: values stay where they are, results go to any free register, constants go into the
// instruction, and a comparison's flags go straight to the jump behind it. Included by MicroPython 1.25's
// py/emitnative.c, which emitnative.patch prepares for it; the instructions are in asmx64_viper.h.
//
// What is known of the last instructions is kept with the place where they ended: it holds as long as the code ends
// there, and no label has been put there.

// A register that holds nothing of the Python stack and is not in the mask `busy`.
static int x64_free_reg(emit_t *emit, int busy) {
    static const uint8_t regs[] = {REG_RET, ASM_X64_REG_RDX, ASM_X64_REG_RCX, REG_ARG_2, ASM_X64_REG_R08, ASM_X64_REG_R09};
    int taken = busy;
    for (int i = 0; i < emit->stack_size; i++) {
        if (emit->stack_info[i].kind == STACK_REG) {
            taken |= 1 << emit->stack_info[i].data.u_reg;
        }
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(regs); i++) {
        if (!(taken >> regs[i] & 1)) {
            return regs[i];
        }
    }
    need_reg_all(emit);
    return x64_free_reg(emit, busy);
}

// Pops a value, into whatever register is not `busy`; `change`: the register is going to be changed.
static int x64_pop(emit_t *emit, vtype_kind_t *vtype, int busy, bool change) {
    stack_info_t *si = peek_stack(emit, 0);
    int reg = si->data.u_reg;
    *vtype = si->vtype;
    if (si->kind != STACK_REG || (busy >> reg & 1)
        || (change && (reg == REG_LOCAL_1 || reg == REG_LOCAL_2 || reg == ASM_X64_REG_R14))) {
        reg = x64_free_reg(emit, busy);
        emit_access_stack(emit, 1, vtype, reg);
    } else if (change) {
        need_reg_single(emit, reg, 1);
    }
    adjust_stack(emit, -1);
    return reg;
}

static bool x64_on_stack(emit_t *emit, int reg) {
    for (int i = 0; i < emit->stack_size; i++) {
        if (emit->stack_info[i].kind == STACK_REG && emit->stack_info[i].data.u_reg == reg) {
            return true;
        }
    }
    return false;
}

static bool x64_top_is_imm(emit_t *emit, int depth) {
    stack_info_t *si = peek_stack(emit, depth);
    return si->kind == STACK_IMM && (int32_t)si->data.u_imm == si->data.u_imm;
}

// A store that is the end of p[i] = p[i] op imm, or of x = x op imm: the load and the operation are taken back.
static bool x64_in_place(emit_t *emit, int size, int value, int base, int disp) {
    if (emit->alu.end != mp_asm_base_get_code_pos(&emit->as->base) || emit->alu.start != emit->load.end
        || value != emit->alu.reg || value != emit->load.reg || base != emit->load.base || base == value
        || disp != emit->load.disp || size != emit->load.size || emit->alu.op < 0 || x64_on_stack(emit, value)) {
        return false;
    }
    x64_rewind(emit, emit->load.start);
    asm_x64_alu_mem(emit->as, size, emit->alu.op, emit->alu.imm, base, disp);
    return true;
}

// The last instruction was reg = [base + disp]; it began at `start`.
static void x64_loaded(emit_t *emit, size_t start, int size, int reg, int base, int disp) {
    emit->load.start = start;
    emit->load.end = mp_asm_base_get_code_pos(&emit->as->base);
    emit->load.size = size;
    emit->load.reg = reg;
    emit->load.base = base;
    emit->load.disp = disp;
}

// p[i] and p[i] = value for ptr8, ptr16 and ptr32, as one instruction.
static void viper_access(emit_t *emit, bool store) {
    vtype_kind_t vtype, vtype_base = peek_vtype(emit, 1), vtype_index = peek_vtype(emit, 0);
    int size = vtype_base == VTYPE_PTR8 ? 0 : vtype_base == VTYPE_PTR16 ? 1 : 2;
    int index = -1, disp = 0, busy = 0;
    if (vtype_index != VTYPE_INT && vtype_index != VTYPE_UINT) {
        EMIT_NATIVE_VIPER_TYPE_ERROR(emit, store ? MP_ERROR_TEXT("can't store with '%q' index")
            : MP_ERROR_TEXT("can't load with '%q' index"), vtype_to_qstr(vtype_index));
    }
    mp_int_t imm = peek_stack(emit, 0)->data.u_imm;
    if (x64_top_is_imm(emit, 0) && imm >= -(1 << 28) && imm < 1 << 28) {
        disp = (int)imm * (1 << size);
        emit_pre_pop_discard(emit);
    } else {
        index = x64_pop(emit, &vtype, 0, false);
        busy = 1 << index;
    }
    int base = x64_pop(emit, &vtype, busy, false);
    if (!store) {
        int dest = x64_free_reg(emit, 0);
        size_t start = mp_asm_base_get_code_pos(&emit->as->base);
        asm_x64_mem(emit->as, size, ASM_X64_OP_LOAD, dest, base, index, disp);
        if (index < 0) {
            x64_loaded(emit, start, size, dest, base, disp);
        }
        emit_post_push_reg(emit, VTYPE_INT, dest);
        return;
    }
    vtype = peek_vtype(emit, 0);
    if (vtype != VTYPE_BOOL && vtype != VTYPE_INT && vtype != VTYPE_UINT) {
        EMIT_NATIVE_VIPER_TYPE_ERROR(emit, MP_ERROR_TEXT("can't store '%q'"), vtype_to_qstr(vtype));
    }
    if (x64_top_is_imm(emit, 0)) {
        asm_x64_store_imm(emit->as, size, peek_stack(emit, 0)->data.u_imm, base, index, disp);
        emit_pre_pop_discard(emit);
    } else {
        int value = x64_pop(emit, &vtype, busy | 1 << base, false);
        if (index < 0 && x64_in_place(emit, size, value, base, disp)) {
            return;
        }
        asm_x64_mem(emit->as, size, ASM_X64_OP_STORE, value, base, index, disp);
    }
}

// Sets the flags for a comparison of a register that has been popped with a number, unless the instruction before did.
static void x64_test(emit_t *emit, int reg, int value, int cc) {
    size_t here = mp_asm_base_get_code_pos(&emit->as->base);
    bool equal = cc == ASM_X64_CC_JE || cc == ASM_X64_CC_JNE;
    int size = emit->load.size;
    if (emit->load.end == here && emit->load.reg == reg && !x64_on_stack(emit, reg)
        && (size == 3 || (equal && value >= 0 && (size == 2 || value < 1 << (8 << size))))) {
        x64_rewind(emit, emit->load.start); // compare where it lies
        asm_x64_alu_mem(emit->as, size, 7, value, emit->load.base, emit->load.disp);
    } else if (value != 0 || !equal) {
        asm_x64_alu_i32(emit->as, 7, reg, value);
    } else if (emit->alu.end != here || emit->alu.reg != reg) {
        asm_x64_test_r64_with_r64(emit->as, reg, reg);
    }
}

// The comparison's result is made last, so that a jump that follows can take it back and use the flags.
static void x64_compare(emit_t *emit, int cc) {
    vtype_kind_t vtype;
    bool imm = x64_top_is_imm(emit, 0);
    mp_int_t value = peek_stack(emit, 0)->data.u_imm;
    int rhs = 0;
    if (imm) {
        emit_pre_pop_discard(emit);
    } else {
        rhs = x64_pop(emit, &vtype, 0, false);
    }
    int lhs = x64_pop(emit, &vtype, imm ? 0 : 1 << rhs, false);
    need_reg_single(emit, REG_RET, 0);
    if (!imm) {
        asm_x64_cmp_r64_with_r64(emit->as, rhs, lhs);
    } else {
        x64_test(emit, lhs, value, cc);
    }
    emit->flags.cc = cc;
    emit->flags.start = mp_asm_base_get_code_pos(&emit->as->base);
    asm_x64_setcc_r8(emit->as, cc, REG_RET);
    asm_x64_movzx_r8(emit->as, REG_RET);
    emit->flags.end = mp_asm_base_get_code_pos(&emit->as->base);
    emit_post_push_reg(emit, VTYPE_BOOL, REG_RET);
}

// Integers only. False: the common code does it.
static bool viper_binary_op(emit_t *emit, mp_binary_op_t op) {
    vtype_kind_t vtype, vtype_lhs = peek_vtype(emit, 1), vtype_rhs = peek_vtype(emit, 0);
    bool imm = x64_top_is_imm(emit, 0), is_uint = vtype_lhs == VTYPE_UINT;
    mp_int_t value = peek_stack(emit, 0)->data.u_imm;
    int reg, rhs, alu = -1;
    switch (op) {
        case MP_BINARY_OP_LSHIFT:
        case MP_BINARY_OP_RSHIFT:
            if (!imm) {
                return false;
            }
            emit_pre_pop_discard(emit);
            reg = x64_pop(emit, &vtype, 0, true);
            asm_x64_shift_i8(emit->as, op == MP_BINARY_OP_LSHIFT ? 4 : is_uint ? 5 : 7, reg, value & 63);
            emit_post_push_reg(emit, vtype_lhs, reg);
            return true;
        case MP_BINARY_OP_ADD: alu = 0; break;
        case MP_BINARY_OP_OR: alu = 1; break;
        case MP_BINARY_OP_AND: alu = 4; break;
        case MP_BINARY_OP_SUBTRACT: alu = 5; break;
        case MP_BINARY_OP_XOR: alu = 6; break;
        default: {
            static const byte ccs[] = {ASM_X64_CC_JL, ASM_X64_CC_JG, ASM_X64_CC_JE, ASM_X64_CC_JLE, ASM_X64_CC_JGE, ASM_X64_CC_JNE};
            if (op < MP_BINARY_OP_LESS || op > MP_BINARY_OP_NOT_EQUAL || is_uint || vtype_rhs == VTYPE_UINT) {
                return false;
            }
            x64_compare(emit, ccs[op - MP_BINARY_OP_LESS]);
            return true;
        }
    }
    if (imm) {
        emit_pre_pop_discard(emit);
        reg = x64_pop(emit, &vtype, 0, true);
        emit->alu.start = mp_asm_base_get_code_pos(&emit->as->base);
        asm_x64_alu_i32(emit->as, alu, reg, value);
        emit->alu.op = alu;
        emit->alu.imm = value;
    } else if (peek_stack(emit, 0)->kind == STACK_IMM && value == 0xffffffff && alu == 4) {
        emit_pre_pop_discard(emit);
        reg = x64_pop(emit, &vtype, 0, true);
        bool step = emit->extend.end == mp_asm_base_get_code_pos(&emit->as->base) && emit->extend.reg == reg && emit->extend.stage == 1;
        asm_x64_mov_r32_r32(emit->as, reg);
        if (step) {
            emit->extend.end = mp_asm_base_get_code_pos(&emit->as->base);
            emit->extend.stage = 2;
        }
        emit_post_push_reg(emit, vtype_lhs, reg);
        return true;
    } else if (peek_stack(emit, 0)->kind == STACK_IMM && value == 0x80000000 && (alu == 0 || alu == 5)) {
        emit_pre_pop_discard(emit);
        reg = x64_pop(emit, &vtype, 0, true);
        size_t here = mp_asm_base_get_code_pos(&emit->as->base);
        if (alu == 5 && emit->extend.end == here && emit->extend.reg == reg && emit->extend.stage == 2) {
            x64_rewind(emit, emit->extend.start);
            asm_x64_movsx_r32(emit->as, reg);
        } else {
            rhs = x64_free_reg(emit, 1 << reg);
            ASM_MOV_REG_IMM(emit->as, rhs, value);
            asm_x64_alu_r64(emit->as, alu, reg, rhs);
            emit->extend.start = here;
            emit->extend.end = mp_asm_base_get_code_pos(&emit->as->base);
            emit->extend.reg = reg;
            emit->extend.stage = alu == 0;
        }
        emit_post_push_reg(emit, vtype_lhs, reg);
        return true;
    } else {
        rhs = x64_pop(emit, &vtype, 0, false);
        reg = x64_pop(emit, &vtype, 1 << rhs, true);
        asm_x64_alu_r64(emit->as, alu, reg, rhs);
        emit->alu.op = -1;
    }
    emit->alu.end = mp_asm_base_get_code_pos(&emit->as->base);
    emit->alu.reg = reg;
    emit_post_push_reg(emit, vtype_lhs, reg);
    return true;
}

// Jumps on an integer or a comparison. False: the common code does it.
static bool viper_jump(emit_t *emit, vtype_kind_t vtype, bool cond, mp_uint_t label) {
    if (vtype != VTYPE_BOOL && vtype != VTYPE_INT && vtype != VTYPE_UINT) {
        return false;
    }
    for (int i = 0; i < emit->stack_size - 1; i++) {
        if (emit->stack_info[i].kind != STACK_VALUE) {
            return false; // to be settled first
        }
    }
    int cc = ASM_X64_CC_JNE;
    stack_info_t *si = peek_stack(emit, 0);
    if (vtype == VTYPE_BOOL && si->kind == STACK_REG && si->data.u_reg == REG_RET
        && emit->flags.end == mp_asm_base_get_code_pos(&emit->as->base)) {
        x64_rewind(emit, emit->flags.start);
        cc = emit->flags.cc;
        emit_pre_pop_discard(emit);
    } else {
        x64_test(emit, x64_pop(emit, &vtype, 0, false), 0, cc);
    }
    asm_x64_jcc_label(emit->as, cc ^ !cond, label);
    emit_post(emit);
    return true;
}
