// Viper's operands on x86-64: values stay where they are, results go to any free register or straight into a local's,
// constants, loads and the addition of a displacement go into the instruction that uses them, and a comparison's flags go
// straight to the jump behind it. Included by MicroPython 1.25's py/emitnative.c, which emitnative.patch prepares for it; the
// instructions are in asmx64_viper.h, what is known in viper_x64_state.h.
//
// What is known of the last instructions is kept with the place where they ended: it holds as long as the code ends
// there, and no label has been put there.

static size_t x64_here(emit_t *emit) {
    return mp_asm_base_get_code_pos(&emit->as->base);
}

// To be called before something is looked up: other code may have changed registers.
static void x64_begin(emit_t *emit) {
    if (emit->viper.known != x64_here(emit)) {
        emit->viper.words = emit->viper.halves = 0;
        emit->viper.known = x64_here(emit);
    }
}

// To be called behind each instruction of ours.
static void x64_end(emit_t *emit) {
    emit->viper.known = x64_here(emit);
}

// The registers for values: no local is in them.
static const uint8_t x64_scratch[] = {REG_RET, ASM_X64_REG_RDX, ASM_X64_REG_RCX, REG_ARG_2, REG_ARG_1};
enum { X64_SCRATCH = 1 << REG_RET | 1 << ASM_X64_REG_RDX | 1 << ASM_X64_REG_RCX | 1 << REG_ARG_2 | 1 << REG_ARG_1 };

static bool x64_on_stack(emit_t *emit, int reg) {
    for (int i = 0; i < emit->stack_size; i++) {
        if (emit->stack_info[i].kind == STACK_REG && emit->stack_info[i].data.u_reg == reg) {
            return true;
        }
    }
    return false;
}

// Whether a register that has been popped may be changed.
static bool x64_is_free(emit_t *emit, int reg) {
    return (X64_SCRATCH >> reg & 1) && !x64_on_stack(emit, reg);
}

// One that holds nothing of the Python stack and is not in the mask `busy`.
static int x64_free_reg(emit_t *emit, int busy) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(x64_scratch); i++) {
        if (!(busy >> x64_scratch[i] & 1) && !x64_on_stack(emit, x64_scratch[i])) {
            return x64_scratch[i];
        }
    }
    need_reg_all(emit);
    return x64_free_reg(emit, busy);
}

static void x64_known(emit_t *emit, int reg, bool word, bool half) {
    emit->viper.words = (emit->viper.words & ~(1u << reg)) | (unsigned)word << reg;
    emit->viper.halves = (emit->viper.halves & ~(1u << reg)) | (unsigned)half << reg;
}

// The next instructions make a value in a register.
static int x64_makes(emit_t *emit, x64_result_t what) {
    x64_begin(emit);
    viper_state_t *now = &emit->viper;
    bool word = now->words >> what.lhs & 1, half = now->halves >> what.lhs & 1;
    what.start = x64_here(emit);
    what.flags = true;
    switch (what.how) {
        case X64_LOAD:
            asm_x64_load(emit->as, what.size, what.reg, what.base, what.index, what.disp);
            word = what.size < 3;
            half = what.size < 2;
            what.flags = false;
            break;
        case X64_IMM: {
            bool and = what.op == ASM_X64_AND && what.imm >= 0;
            what.flags = asm_x64_op_i32(emit->as, what.op, what.reg, what.lhs, what.imm);
            half = what.op == ASM_X64_SWAP || (half && (what.op == ASM_X64_SAR || what.op == ASM_X64_MOV32))
                || (and && (what.imm <= 0xffff || half)) || (word && what.op == ASM_X64_SAR && what.imm >= 16);
            word = half || and || what.op == ASM_X64_MOV32 || (word && what.op == ASM_X64_SAR);
            break;
        }
        case X64_REG: {
            bool both = what.op == ASM_X64_OR || what.op == ASM_X64_XOR || what.op == ASM_X64_AND;
            word = word && both && (now->words >> what.rhs & 1);
            half = half && both && (now->halves >> what.rhs & 1);
            what.flags = asm_x64_op_r64(emit->as, what.op, what.reg, what.lhs, what.rhs);
            break;
        }
        case X64_MEM:
        case X64_HALF:
        case X64_HALF_MEM:
            if (what.reg != what.lhs) {
                asm_x64_mov_r64_r64(emit->as, what.reg, what.lhs);
            }
            if (what.how == X64_HALF) {
                asm_x64_alu_r64(emit->as, 2, ASM_X64_SUB, what.reg, what.rhs);
            } else {
                asm_x64_alu_load(emit->as, what.size, what.op, what.reg, what.base, what.disp);
            }
            word = what.how != X64_MEM;
            half = false;
            break;
        case X64_EXTEND:
            asm_x64_movsx_r32(emit->as, what.reg, what.lhs);
            word = half = what.flags = false;
            break;
        case X64_BIG:
            ASM_MOV_REG_IMM(emit->as, what.rhs, 0x80000000);
            what.flags = asm_x64_op_r64(emit->as, what.op, what.reg, what.lhs, what.rhs);
            word = half = false;
            x64_known(emit, what.rhs, false, false);
            break;
    }
    what.end = x64_here(emit);
    now->before[1] = now->before[0];
    now->before[0] = now->last;
    now->last = what;
    x64_known(emit, what.reg, word, half);
    x64_end(emit);
    return what.reg;
}

// Whether the last instruction made the value in `reg`, which nothing else needs now.
static bool x64_just_made(emit_t *emit, int reg) {
    return emit->viper.last.end == x64_here(emit) && emit->viper.last.reg == reg && x64_is_free(emit, reg);
}

// Takes the last instruction back. Its operands are as they were before it.
static x64_result_t x64_unmake(emit_t *emit) {
    viper_state_t *now = &emit->viper;
    x64_result_t last = now->last;
    x64_begin(emit);
    emit->as->base.code_offset = last.start;
    x64_known(emit, last.reg, false, false);
    now->last = now->before[0];
    now->before[0] = now->before[1];
    now->before[1].end = -1;
    x64_end(emit);
    return last;
}

// Whether the value in `reg` is a load without an index that can be taken back for an operand in memory.
static bool x64_just_loaded(emit_t *emit, int reg) {
    return x64_just_made(emit, reg) && emit->viper.last.how == X64_LOAD && emit->viper.last.index < 0;
}

// Pops a value into whatever register it is in, or else one that is not `busy`. It is not to be changed there.
static int x64_pop(emit_t *emit, vtype_kind_t *vtype, int busy) {
    stack_info_t *si = peek_stack(emit, 0);
    int reg = si->data.u_reg;
    *vtype = si->vtype;
    if (si->kind != STACK_REG || (busy >> reg & 1)) {
        x64_begin(emit);
        reg = x64_free_reg(emit, busy);
        emit_access_stack(emit, 1, vtype, reg);
        x64_known(emit, reg, false, false);
    }
    adjust_stack(emit, -1);
    return reg;
}

static bool x64_top_is_imm(emit_t *emit, int depth) {
    stack_info_t *si = peek_stack(emit, depth);
    return si->kind == STACK_IMM && (int32_t)si->data.u_imm == si->data.u_imm;
}

// A store that is the end of m = m op x, where m is in memory: the load and the operation are taken back.
static bool x64_in_place(emit_t *emit, int size, int value, int base, int disp) {
    x64_result_t op = emit->viper.last, load = emit->viper.before[0];
    if (!x64_just_made(emit, value) || (op.how != X64_IMM && op.how != X64_REG) || op.op > ASM_X64_XOR || load.how != X64_LOAD
        || load.end != op.start || load.reg != op.lhs || load.size != size || load.base != base || load.index >= 0
        || load.disp != disp || base == load.reg || !x64_is_free(emit, load.reg)
        || (op.how == X64_REG && op.rhs == load.reg)) {
        return false;
    }
    x64_unmake(emit);
    x64_unmake(emit);
    if (op.how == X64_IMM) {
        asm_x64_alu_mem(emit->as, size, op.op, op.imm, base, disp);
    } else {
        asm_x64_alu_store(emit->as, size, op.op, op.rhs, base, disp);
    }
    x64_end(emit);
    return true;
}

// A local that is not in a register is popped.
static void x64_store_slot(emit_t *emit, int local) {
    vtype_kind_t vtype;
    int disp = asm_x64_local_disp(LOCAL_IDX_LOCAL_VAR(emit, local));
    x64_begin(emit);
    if (x64_top_is_imm(emit, 0)) {
        asm_x64_store_imm(emit->as, 3, peek_stack(emit, 0)->data.u_imm, ASM_X64_REG_RSP, -1, disp);
        emit_pre_pop_discard(emit);
    } else {
        int reg = x64_pop(emit, &vtype, 0);
        if (!x64_in_place(emit, 3, reg, ASM_X64_REG_RSP, disp)) {
            asm_x64_store(emit->as, 3, reg, ASM_X64_REG_RSP, -1, disp);
            emit->viper.kept.end = x64_here(emit);
            emit->viper.kept.reg = reg;
            emit->viper.kept.local = local;
        }
    }
    x64_end(emit);
}

// Pops a value into a local in the register `reg`.
static void x64_store_reg(emit_t *emit, int reg) {
    stack_info_t si = *peek_stack(emit, 0);
    adjust_stack(emit, -1);
    if (x64_on_stack(emit, reg)) {
        need_reg_single(emit, reg, 0); // its value up to now
    }
    x64_begin(emit);
    if (si.kind == STACK_IMM) {
        ASM_MOV_REG_IMM(emit->as, reg, si.data.u_imm);
        x64_known(emit, reg, si.data.u_imm >= 0 && si.data.u_imm <= 0xffffffff, si.data.u_imm >= 0 && si.data.u_imm <= 0xffff);
    } else if (si.kind == STACK_VALUE) {
        emit_native_mov_reg_state(emit, reg, emit->stack_start + emit->stack_size);
        x64_known(emit, reg, false, false);
    } else if (x64_just_made(emit, si.data.u_reg)) {
        x64_result_t made = x64_unmake(emit);
        made.reg = reg;
        x64_makes(emit, made);
    } else if (si.data.u_reg != reg) {
        asm_x64_mov_r64_r64(emit->as, reg, si.data.u_reg);
        x64_known(emit, reg, emit->viper.words >> si.data.u_reg & 1, emit->viper.halves >> si.data.u_reg & 1);
    }
    x64_end(emit);
}

static void x64_load_slot(emit_t *emit, vtype_kind_t vtype, int local) {
    int reg = emit->viper.kept.reg;
    if (emit->viper.kept.end != x64_here(emit) || emit->viper.kept.local != local) {
        reg = x64_free_reg(emit, 0);
        x64_makes(emit, (x64_result_t) { .how = X64_LOAD, .reg = reg, .size = 3, .base = ASM_X64_REG_RSP, .index = -1,
                                         .disp = asm_x64_local_disp(LOCAL_IDX_LOCAL_VAR(emit, local)) });
    }
    emit_post_push_reg(emit, vtype, reg);
}

// An address or an index that was made by adding a number: the number goes to the displacement.
static int x64_without_offset(emit_t *emit, int reg, int size, int *disp) {
    x64_result_t *last = &emit->viper.last;
    if (x64_just_made(emit, reg) && last->how == X64_IMM && (last->op == ASM_X64_ADD || last->op == ASM_X64_SUB)
        && last->imm >= -(1 << 24) && last->imm < 1 << 24) {
        *disp += (last->op == ASM_X64_ADD ? last->imm : -last->imm) * (1 << size);
        return x64_unmake(emit).lhs;
    }
    return reg;
}

// p[i] and p[i] = value for ptr8, ptr16 and ptr32, as one instruction.
static void viper_access(emit_t *emit, bool store) {
    vtype_kind_t vtype, vtype_base = peek_vtype(emit, 1), vtype_index = peek_vtype(emit, 0);
    int size = vtype_base == VTYPE_PTR8 ? 0 : vtype_base == VTYPE_PTR16 ? 1 : 2;
    int index = -1, disp = 0, busy = 0, base;
    if (vtype_index != VTYPE_INT && vtype_index != VTYPE_UINT) {
        EMIT_NATIVE_VIPER_TYPE_ERROR(emit, store ? MP_ERROR_TEXT("can't store with '%q' index")
            : MP_ERROR_TEXT("can't load with '%q' index"), vtype_to_qstr(vtype_index));
    }
    mp_int_t imm = peek_stack(emit, 0)->data.u_imm;
    if (x64_top_is_imm(emit, 0) && imm >= -(1 << 24) && imm < 1 << 24) {
        disp = (int)imm * (1 << size);
        emit_pre_pop_discard(emit);
        base = x64_without_offset(emit, x64_pop(emit, &vtype, 0), 0, &disp);
    } else {
        index = x64_without_offset(emit, x64_pop(emit, &vtype, 0), size, &disp);
        base = x64_pop(emit, &vtype, 1 << index);
        busy = 1 << index;
    }
    busy |= 1 << base;
    if (!store) {
        int dest = x64_free_reg(emit, 0);
        x64_makes(emit, (x64_result_t) { .how = X64_LOAD, .reg = dest, .size = size, .base = base, .index = index, .disp = disp });
        emit_post_push_reg(emit, VTYPE_INT, dest);
        return;
    }
    vtype = peek_vtype(emit, 0);
    if (vtype != VTYPE_BOOL && vtype != VTYPE_INT && vtype != VTYPE_UINT) {
        EMIT_NATIVE_VIPER_TYPE_ERROR(emit, MP_ERROR_TEXT("can't store '%q'"), vtype_to_qstr(vtype));
    }
    x64_begin(emit);
    if (x64_top_is_imm(emit, 0)) {
        asm_x64_store_imm(emit->as, size, peek_stack(emit, 0)->data.u_imm, base, index, disp);
        emit_pre_pop_discard(emit);
    } else {
        int value = x64_pop(emit, &vtype, busy);
        if (index < 0 && x64_in_place(emit, size, value, base, disp)) {
            return;
        }
        asm_x64_store(emit->as, size, value, base, index, disp);
    }
    x64_end(emit);
}

// The condition of numbers without a sign
static int x64_unsigned(int cc) {
    switch (cc) {
        case ASM_X64_CC_JL: return ASM_X64_CC_JB;
        case ASM_X64_CC_JGE: return ASM_X64_CC_JAE;
        case ASM_X64_CC_JLE: return ASM_X64_CC_JBE;
        case ASM_X64_CC_JG: return ASM_X64_CC_JA;
        default: return cc;
    }
}

// What the last operation left in the flags tells about a comparison with 0, if the condition is one of these.
static bool x64_by_flags(int *cc) {
    if (*cc == ASM_X64_CC_JL || *cc == ASM_X64_CC_JGE) {
        *cc = *cc == ASM_X64_CC_JL ? 8 : 9; // JS, JNS
        return true;
    }
    return *cc == ASM_X64_CC_JE || *cc == ASM_X64_CC_JNE;
}

// Sets the flags for a comparison of a register that has been popped with a number; returns the condition to use then.
static int x64_test(emit_t *emit, int reg, int value, int cc) {
    x64_result_t last = emit->viper.last;
    bool equal = cc == ASM_X64_CC_JE || cc == ASM_X64_CC_JNE;
    x64_begin(emit);
    if (!x64_just_made(emit, reg)) {
        last = (x64_result_t) { .how = X64_REG };
    }
    if (last.how == X64_LOAD && last.index < 0 && (last.size >= 3 || (value >= 0 && (last.size == 2 || value < 1 << (8 << last.size))))) {
        x64_unmake(emit); // compared where it lies
        asm_x64_alu_mem(emit->as, last.size, ASM_X64_CMP, value, last.base, last.disp);
        cc = last.size < 3 ? x64_unsigned(cc) : cc;
    } else if (last.how == X64_IMM && last.op == ASM_X64_AND && value == 0 && equal) {
        x64_unmake(emit);
        if (x64_just_loaded(emit, last.lhs)) {
            x64_result_t load = x64_unmake(emit);
            int bits = load.size < 2 ? last.imm & ((1 << (8 << load.size)) - 1) : last.imm;
            asm_x64_test_mem(emit->as, load.size == 3 && last.imm >= 0 ? 2 : load.size, bits, load.base, load.disp);
        } else {
            asm_x64_test_i32(emit->as, last.lhs, last.imm);
        }
    } else if (value == 0 && last.flags && x64_by_flags(&cc)) {
        // they are set
    } else if (last.how == X64_EXTEND) {
        x64_unmake(emit);
        bool flags = emit->viper.last.end == x64_here(emit) && emit->viper.last.reg == last.lhs && emit->viper.last.flags;
        if (value != 0) {
            asm_x64_alu_i32(emit->as, 2, ASM_X64_CMP, last.lhs, value);
        } else if (!flags || !x64_by_flags(&cc)) {
            asm_x64_test_half(emit->as, last.lhs);
        }
    } else if (value != 0) {
        asm_x64_alu_i32(emit->as, 3, ASM_X64_CMP, reg, value);
    } else {
        asm_x64_test_r64_with_r64(emit->as, reg, reg);
    }
    x64_end(emit);
    return cc;
}

// The same for a comparison with a register, or with memory where that has just been loaded.
static int x64_test_reg(emit_t *emit, int lhs, int rhs, int cc) {
    x64_result_t last = emit->viper.last;
    x64_begin(emit);
    bool words = (emit->viper.words >> lhs & 1) && (emit->viper.words >> rhs & 1);
    if (lhs != rhs && x64_just_loaded(emit, rhs) && (last.size == 3 || (last.size == 2 && words))) {
        x64_unmake(emit);
        asm_x64_alu_load(emit->as, last.size, ASM_X64_CMP, lhs, last.base, last.disp);
        cc = last.size == 2 ? x64_unsigned(cc) : cc;
    } else if (lhs != rhs && x64_just_loaded(emit, lhs) && (last.size == 3 || (last.size == 2 && words))) {
        x64_unmake(emit);
        asm_x64_alu_store(emit->as, last.size, ASM_X64_CMP, rhs, last.base, last.disp);
        cc = last.size == 2 ? x64_unsigned(cc) : cc;
    } else {
        asm_x64_cmp_r64_with_r64(emit->as, rhs, lhs);
    }
    x64_end(emit);
    return cc;
}

// The comparison's result is made last, so that a jump that follows can take it back and use the flags.
static void x64_compare(emit_t *emit, int cc) {
    vtype_kind_t vtype;
    bool imm = x64_top_is_imm(emit, 0);
    int value = peek_stack(emit, 0)->data.u_imm, rhs = 0;
    if (imm) {
        emit_pre_pop_discard(emit);
    } else {
        rhs = x64_pop(emit, &vtype, 0);
    }
    int lhs = x64_pop(emit, &vtype, imm ? 0 : 1 << rhs);
    if (x64_on_stack(emit, REG_RET)) {
        need_reg_single(emit, REG_RET, 0);
    }
    cc = imm ? x64_test(emit, lhs, value, cc) : x64_test_reg(emit, lhs, rhs, cc);
    emit->viper.flags.cc = cc;
    emit->viper.flags.start = x64_here(emit);
    asm_x64_setcc_r8(emit->as, cc, REG_RET);
    asm_x64_movzx_r8(emit->as, REG_RET);
    emit->viper.flags.end = x64_here(emit);
    x64_known(emit, REG_RET, true, true);
    x64_end(emit);
    emit_post_push_reg(emit, VTYPE_BOOL, REG_RET);
}

// Where the result of an operation goes: in place where that is possible.
static int x64_dest(emit_t *emit, int lhs, int rhs) {
    if (x64_is_free(emit, lhs)) {
        return lhs;
    }
    return rhs >= 0 && x64_is_free(emit, rhs) ? rhs : x64_free_reg(emit, rhs >= 0 ? 1 << rhs | 1 << lhs : 1 << lhs);
}

// lhs op imm
static int x64_with_imm(emit_t *emit, int op, int lhs, int imm) {
    return x64_makes(emit, (x64_result_t) { .how = X64_IMM, .reg = x64_dest(emit, lhs, -1), .op = op, .lhs = lhs, .imm = imm });
}

// (x & 255) << 8 | x >> 8, where x is known to have 16 bits: the three operations before this one give way to a rotation.
static bool x64_swaps(emit_t *emit, int lhs, int rhs) {
    x64_result_t shift = emit->viper.last, upper = emit->viper.before[0], mask = emit->viper.before[1];
    int x = shift.lhs;
    if (!x64_just_made(emit, rhs) || !x64_is_free(emit, lhs) || shift.how != X64_IMM || upper.how != X64_IMM || mask.how != X64_IMM
        || shift.op != ASM_X64_SAR || upper.op != ASM_X64_SHL || mask.op != ASM_X64_AND || shift.imm != 8 || upper.imm != 8
        || mask.imm != 255 || upper.reg != lhs || upper.lhs != mask.reg || mask.lhs != x || mask.end != upper.start
        || upper.end != shift.start || mask.reg == x || upper.reg == x || rhs == x || !(emit->viper.halves >> x & 1)) {
        return false;
    }
    x64_unmake(emit);
    x64_unmake(emit);
    x64_unmake(emit);
    x64_with_imm(emit, ASM_X64_SWAP, x, 0);
    return true;
}

// ((x + 2^31) & 0xffffffff) - 2^31 is the lower half of x as a signed number; of a difference, so is that of the halves.
static bool x64_extends(emit_t *emit, int lhs) {
    x64_result_t mask = emit->viper.last, big = emit->viper.before[0];
    if (!x64_just_made(emit, lhs) || mask.how != X64_IMM || mask.op != ASM_X64_MOV32 || big.how != X64_BIG || big.op != ASM_X64_ADD
        || big.end != mask.start || big.reg != mask.lhs || !x64_is_free(emit, big.reg)) {
        return false;
    }
    x64_unmake(emit);
    x64_unmake(emit);
    int x = big.lhs;
    if (x64_just_made(emit, x) && emit->viper.last.how == X64_REG && emit->viper.last.op == ASM_X64_SUB) {
        x64_result_t sub = x64_unmake(emit);
        sub.how = X64_HALF;
        if (sub.rhs != sub.lhs && x64_just_loaded(emit, sub.rhs) && emit->viper.last.size == 2) {
            x64_result_t load = x64_unmake(emit);
            sub.how = X64_HALF_MEM;
            sub.size = load.size;
            sub.base = load.base;
            sub.disp = load.disp;
        }
        int busy = 1 << sub.lhs | 1 << (sub.how == X64_HALF ? sub.rhs : sub.base);
        sub.reg = x64_is_free(emit, sub.lhs) && (sub.how == X64_HALF || sub.lhs != sub.base) ? sub.lhs : x64_free_reg(emit, busy);
        x = x64_makes(emit, sub);
    }
    x64_makes(emit, (x64_result_t) { .how = X64_EXTEND, .reg = x64_dest(emit, x, -1), .lhs = x });
    return true;
}

// Integers only. False: the common code does it.
static bool viper_binary_op(emit_t *emit, mp_binary_op_t op) {
    vtype_kind_t vtype, vtype_lhs = peek_vtype(emit, 1), vtype_rhs = peek_vtype(emit, 0);
    bool is_imm = peek_stack(emit, 0)->kind == STACK_IMM, imm = x64_top_is_imm(emit, 0), is_uint = vtype_lhs == VTYPE_UINT;
    mp_int_t value = peek_stack(emit, 0)->data.u_imm;
    int reg, alu;
    switch (op) {
        case MP_BINARY_OP_LSHIFT:
        case MP_BINARY_OP_RSHIFT:
            if (!imm) {
                return false;
            }
            emit_pre_pop_discard(emit);
            reg = x64_with_imm(emit, op == MP_BINARY_OP_LSHIFT ? ASM_X64_SHL : is_uint ? ASM_X64_SHR : ASM_X64_SAR,
                x64_pop(emit, &vtype, 0), value & 63);
            emit_post_push_reg(emit, vtype_lhs, reg);
            return true;
        case MP_BINARY_OP_ADD: alu = ASM_X64_ADD; break;
        case MP_BINARY_OP_OR: alu = ASM_X64_OR; break;
        case MP_BINARY_OP_AND: alu = ASM_X64_AND; break;
        case MP_BINARY_OP_SUBTRACT: alu = ASM_X64_SUB; break;
        case MP_BINARY_OP_XOR: alu = ASM_X64_XOR; break;
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
        reg = x64_with_imm(emit, alu, x64_pop(emit, &vtype, 0), value);
    } else if (is_imm && value == 0xffffffff && alu == ASM_X64_AND) {
        emit_pre_pop_discard(emit);
        reg = x64_with_imm(emit, ASM_X64_MOV32, x64_pop(emit, &vtype, 0), 0);
    } else if (is_imm && value == 0x80000000 && (alu == ASM_X64_ADD || alu == ASM_X64_SUB)) {
        emit_pre_pop_discard(emit);
        int lhs = x64_pop(emit, &vtype, 0);
        if (alu == ASM_X64_SUB && x64_extends(emit, lhs)) {
            reg = emit->viper.last.reg;
        } else {
            int dest = x64_dest(emit, lhs, -1);
            reg = x64_makes(emit, (x64_result_t) { .how = X64_BIG, .reg = dest, .op = alu, .lhs = lhs,
                                                   .rhs = x64_free_reg(emit, 1 << lhs | 1 << dest) });
        }
    } else {
        int rhs = x64_pop(emit, &vtype, 0), lhs = x64_pop(emit, &vtype, 1 << rhs);
        if (alu == ASM_X64_OR && x64_swaps(emit, lhs, rhs)) {
            reg = emit->viper.last.reg;
        } else if (lhs != rhs && x64_just_loaded(emit, rhs) && emit->viper.last.size == 3) {
            x64_result_t load = x64_unmake(emit);
            reg = x64_makes(emit, (x64_result_t) { .how = X64_MEM, .reg = x64_dest(emit, lhs, -1), .op = alu, .lhs = lhs,
                                                   .size = 3, .base = load.base, .disp = load.disp });
        } else {
            int dest = x64_dest(emit, lhs, alu == ASM_X64_SUB ? -1 : rhs);
            if (dest == rhs && alu == ASM_X64_SUB) {
                dest = x64_free_reg(emit, 1 << rhs | 1 << lhs);
            }
            reg = x64_makes(emit, (x64_result_t) { .how = X64_REG, .reg = dest, .op = alu, .lhs = lhs, .rhs = rhs });
        }
    }
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
    int cc;
    stack_info_t *si = peek_stack(emit, 0);
    if (vtype == VTYPE_BOOL && si->kind == STACK_REG && si->data.u_reg == REG_RET && emit->viper.flags.end == x64_here(emit)) {
        emit->as->base.code_offset = emit->viper.flags.start;
        cc = emit->viper.flags.cc;
        x64_known(emit, REG_RET, false, false);
        x64_end(emit);
        emit_pre_pop_discard(emit);
    } else {
        cc = x64_test(emit, x64_pop(emit, &vtype, 0), 0, ASM_X64_CC_JNE);
    }
    x64_begin(emit);
    asm_x64_jcc_label(emit->as, cc ^ !cond, label);
    x64_end(emit);
    emit_post(emit);
    return true;
}
