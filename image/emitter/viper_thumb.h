// Viper's operands on ARMv7-M: values stay where they are, results go to any of r0 to r3 or straight into a local's
// register, constants go into the instruction, and a comparison's flags go straight to the jump behind it. What r0 to r3
// still hold of the frame is not loaded again. Included by MicroPython 1.25's py/emitnative.c, which emitnative.patch
// prepares for it; the instructions are in asmthumb_viper.h, what is known in viper_thumb_state.h.
//
// All that is known goes with the place where the code ended then: it holds as long as the code ends there, and no label
// has been put there.

static size_t thumb_here(emit_t *emit) {
    return mp_asm_base_get_code_pos(&emit->as->base);
}

// To be called before something is looked up: other code may have changed r0 to r3.
static void thumb_begin(emit_t *emit) {
    if (emit->viper.known != thumb_here(emit)) {
        for (int i = 0; i < THUMB_SCRATCH; i++) {
            emit->viper.holds[i].kind = THUMB_NOTHING;
        }
        emit->viper.small = 0;
        emit->viper.known = thumb_here(emit);
    }
}

// To be called behind each instruction of ours.
static void thumb_end(emit_t *emit) {
    emit->viper.known = thumb_here(emit);
}

static void thumb_rewind(emit_t *emit, size_t start) {
    emit->as->base.code_offset = start;
    thumb_end(emit);
}

static void thumb_holds(emit_t *emit, int reg, thumb_kind_t kind, mp_int_t what) {
    if (reg < THUMB_SCRATCH) {
        emit->viper.holds[reg].kind = kind;
        emit->viper.holds[reg].what = what;
        emit->viper.holds[reg].used = ++emit->viper.clock;
    }
}

static void thumb_small(emit_t *emit, int reg, bool small) {
    emit->viper.small = (emit->viper.small & ~(1u << reg)) | (unsigned)small << reg;
}

static int thumb_find(emit_t *emit, thumb_kind_t kind, mp_int_t what) {
    thumb_begin(emit);
    for (int i = 0; i < THUMB_SCRATCH; i++) {
        if (emit->viper.holds[i].kind == kind && emit->viper.holds[i].what == what) {
            emit->viper.holds[i].used = ++emit->viper.clock;
            return i;
        }
    }
    return -1;
}

// A word of the frame gets the value of a register.
static void thumb_store_slot(emit_t *emit, int slot, int reg) {
    thumb_begin(emit);
    asm_thumb_mov_local_reg(emit->as, slot, reg);
    for (int i = 0; i < THUMB_SCRATCH; i++) {
        if (emit->viper.holds[i].kind == THUMB_SLOT && emit->viper.holds[i].what == slot) {
            emit->viper.holds[i].kind = THUMB_NOTHING;
        }
    }
    thumb_holds(emit, reg, THUMB_SLOT, slot);
    thumb_end(emit);
}

// What both hold stays.
static void thumb_intersect(thumb_held_t *holds, const thumb_held_t *others) {
    for (int i = 0; i < THUMB_SCRATCH; i++) {
        if (holds[i].kind != others[i].kind || holds[i].what != others[i].what) {
            holds[i].kind = THUMB_NOTHING;
        }
    }
}

// To be called in front of a jump: what is known there is known at its label, if all ways there agree.
static void thumb_note_jump(emit_t *emit, mp_uint_t label) {
    thumb_label_t *there = &emit->labels[label];
    if (emit->as->base.suppress) {
        return;
    }
    thumb_begin(emit);
    if (there->known++) {
        thumb_intersect(there->holds, emit->viper.holds);
    } else {
        memcpy(there->holds, emit->viper.holds, sizeof(there->holds));
    }
}

static void thumb_label_assign(emit_t *emit, mp_uint_t label) {
    const thumb_label_t *there = &emit->labels[label];
    bool forwards = emit->pass > MP_PASS_STACK_SIZE && !emit->as->loops[label] && emit->as->jumps[label] == there->known;
    viper_state_t before;
    thumb_begin(emit);
    before = emit->viper;
    viper_forget(emit);
    if (forwards && IS_DENSE(emit) && (there->known || !emit->as->base.suppress)) {
        emit->viper.clock = before.clock;
        if (emit->as->base.suppress) {
            memcpy(before.holds, there->holds, sizeof(before.holds));
        } else if (there->known) {
            thumb_intersect(before.holds, there->holds);
        }
        memcpy(emit->viper.holds, before.holds, sizeof(before.holds));
    }
    asm_thumb_label_assign(emit->as, label);
    thumb_end(emit);
}

static bool thumb_on_stack(emit_t *emit, int reg) {
    for (int i = 0; i < emit->stack_size; i++) {
        if (emit->stack_info[i].kind == STACK_REG && emit->stack_info[i].data.u_reg == reg) {
            return true;
        }
    }
    return false;
}

// A register of r0 to r3 that holds nothing of the Python stack and is not in the mask `busy`: best one of no use, else
// the one whose use lies back furthest. Where there is none, the deepest value goes to its place in the frame.
static int thumb_free_reg(emit_t *emit, int busy) {
    thumb_begin(emit);
    int best = -1;
    for (int i = 0; i < THUMB_SCRATCH; i++) {
        if ((busy >> i & 1) || thumb_on_stack(emit, i)) {
            continue;
        }
        if (emit->viper.holds[i].kind == THUMB_NOTHING) {
            return i;
        }
        if (best < 0 || emit->viper.holds[i].used < emit->viper.holds[best].used) {
            best = i;
        }
    }
    for (int i = 0; best < 0; i++) {
        stack_info_t *si = &emit->stack_info[i];
        if (si->kind == STACK_REG && si->data.u_reg < THUMB_SCRATCH && !(busy >> si->data.u_reg & 1)) {
            best = si->data.u_reg;
            for (int k = i; k < emit->stack_size; k++) {
                if (emit->stack_info[k].kind == STACK_REG && emit->stack_info[k].data.u_reg == best) {
                    emit->stack_info[k].kind = STACK_VALUE;
                    thumb_store_slot(emit, emit->stack_start + k, best);
                }
            }
        }
    }
    return best;
}

// The next instruction makes a value in `reg`.
static void thumb_makes(emit_t *emit, thumb_made_t how, int reg, int op, int lhs, int rhs, int32_t imm) {
    thumb_begin(emit);
    emit->viper.before[1] = emit->viper.before[0];
    emit->viper.before[0] = emit->viper.last;
    emit->viper.last.start = thumb_here(emit);
    emit->viper.last.how = how;
    emit->viper.last.reg = reg;
    emit->viper.last.op = op;
    emit->viper.last.lhs = lhs;
    emit->viper.last.rhs = rhs;
    emit->viper.last.imm = imm;
    bool flags = false;
    switch (how) {
        case THUMB_OP_IMM: {
            int done = asm_thumb_op_i32(emit->as, op, reg, lhs, imm);
            assert(done != ASM_THUMB_CANNOT);
            flags = done == ASM_THUMB_DONE_FLAGS;
            break;
        }
        case THUMB_OP_REG:
            flags = asm_thumb_op_reg(emit->as, op, reg, lhs, rhs) == ASM_THUMB_DONE_FLAGS;
            break;
        case THUMB_OP_SHIFTED:
            asm_thumb_op_shifted(emit->as, op, reg, lhs, rhs, imm >> 5, imm & 31);
            flags = true;
            break;
        case THUMB_LOAD:
            asm_thumb_access(emit->as, op, false, reg, lhs, rhs);
            break;
        case THUMB_LOAD_PAIR:
            asm_thumb_access_pair(emit->as, false, op, reg, lhs, rhs);
            break;
        case THUMB_LOAD_INDEX:
            asm_thumb_access_index(emit->as, op, false, reg, lhs, rhs);
            break;
        case THUMB_LOAD_SLOT:
            asm_thumb_mov_reg_local(emit->as, reg, rhs);
            break;
    }
    emit->viper.last.end = thumb_here(emit);
    emit->viper.last.flags = flags;
    thumb_small(emit, reg, ((how == THUMB_LOAD || how == THUMB_LOAD_INDEX) && op < 2) || (how == THUMB_OP_IMM && (
        (op == ASM_THUMB_AND && imm >= 0 && imm <= 0xffff) || (op == ASM_THUMB_FIELD && imm >> 5 <= 16))));
    thumb_holds(emit, reg, how == THUMB_LOAD_SLOT ? THUMB_SLOT : THUMB_NOTHING, rhs);
    thumb_end(emit);
}

// Whether the last instruction made the value in `reg`, which nothing else needs now.
static bool thumb_just_made(emit_t *emit, int reg) {
    return emit->viper.last.end == thumb_here(emit) && emit->viper.last.end != 0 && emit->viper.last.reg == reg
           && reg < THUMB_SCRATCH && !thumb_on_stack(emit, reg);
}

static int thumb_number(emit_t *emit, mp_int_t number, int busy) {
    int reg = thumb_find(emit, THUMB_NUMBER, number);
    if (reg < 0) {
        reg = thumb_free_reg(emit, busy);
        asm_thumb_number(emit->as, reg, number);
        thumb_holds(emit, reg, THUMB_NUMBER, number);
        thumb_small(emit, reg, false);
        thumb_end(emit);
    }
    return reg;
}

// A word of the frame in a register
static int thumb_slot(emit_t *emit, int slot, int busy) {
    int reg = thumb_find(emit, THUMB_SLOT, slot);
    if (reg < 0) {
        reg = thumb_free_reg(emit, busy);
        thumb_makes(emit, THUMB_LOAD_SLOT, reg, 0, 0, slot, 0);
    }
    return reg;
}

static int thumb_local(emit_t *emit, int slot) {
    return thumb_slot(emit, slot, 0);
}

// Pops a value into whatever register it is in, or else one that is not `busy`. It is not to be changed there.
static int thumb_pop(emit_t *emit, int busy) {
    stack_info_t *si = peek_stack(emit, 0);
    int reg = si->kind == STACK_REG ? si->data.u_reg
        : si->kind == STACK_IMM ? thumb_number(emit, si->data.u_imm, busy)
        : thumb_slot(emit, emit->stack_start + emit->stack_size - 1, busy);
    adjust_stack(emit, -1);
    return reg;
}

// Where a local in a register stands on the Python stack, its value now must be kept before the local changes.
static void thumb_keep(emit_t *emit, int reg) {
    for (int i = 0; i < emit->stack_size; i++) {
        stack_info_t *si = &emit->stack_info[i];
        if (si->kind == STACK_REG && si->data.u_reg == reg) {
            si->kind = STACK_VALUE;
            thumb_store_slot(emit, emit->stack_start + i, reg);
        }
    }
}

// Whether the last instruction loads two words and cannot load the second one into this register: the first one goes there,
// or it is the base (LDRD with that in its list may spoil it: Cortex-M3 erratum 602117).
static bool thumb_spoils_pair(emit_t *emit, int reg) {
    return emit->viper.last.how == THUMB_LOAD_PAIR && (reg == emit->viper.last.op || reg == emit->viper.last.lhs);
}

// Pops a value into a local, which is in register `reg`, or in a word of the frame where that is -1.
static void thumb_store_local(emit_t *emit, int reg, int slot) {
    if (reg < 0) {
        thumb_store_slot(emit, slot, thumb_pop(emit, 0));
        return;
    }
    stack_info_t si = *peek_stack(emit, 0);
    adjust_stack(emit, -1);
    bool kept = !thumb_on_stack(emit, reg);
    if (!kept) {
        thumb_keep(emit, reg);
    }
    thumb_begin(emit);
    thumb_small(emit, reg, si.kind == STACK_REG && (emit->viper.small >> si.data.u_reg & 1));
    if (si.kind == STACK_IMM) {
        asm_thumb_number(emit->as, reg, si.data.u_imm);
    } else if (si.kind == STACK_VALUE) {
        asm_thumb_mov_reg_local(emit->as, reg, emit->stack_start + emit->stack_size);
    } else if (kept && thumb_just_made(emit, si.data.u_reg) && !thumb_spoils_pair(emit, reg)) {
        thumb_rewind(emit, emit->viper.last.start);
        thumb_holds(emit, si.data.u_reg, THUMB_NOTHING, 0);
        thumb_makes(emit, emit->viper.last.how, reg, emit->viper.last.op, emit->viper.last.lhs, emit->viper.last.rhs, emit->viper.last.imm);
    } else if (si.data.u_reg != reg) {
        asm_thumb_mov_reg_reg(emit->as, reg, si.data.u_reg);
    }
    thumb_end(emit);
}

// Two words that follow one another are loaded, and stored, with one instruction (LDRD, STRD). Both may be done again after
// an interrupt: two neighbouring registers of a device are not to be read so where that changes them.

// A load of 1 << size bytes at base + disp; with that of the word before, where it was just now. Returns the register.
static int thumb_load(emit_t *emit, int size, int base, int disp) {
    const thumb_result_t *first = &emit->viper.last;
    bool pair = size == 2 && first->how == THUMB_LOAD && first->op == 2 && first->lhs == base && first->reg != base
        && first->rhs + 4 == disp && asm_thumb_reaches_pair(first->rhs);
    int reg = thumb_free_reg(emit, pair ? 1 << base | 1 << first->reg : 0);
    if (pair && first->end == thumb_here(emit) && first->end != 0) {
        thumb_rewind(emit, first->start);
        thumb_makes(emit, THUMB_LOAD_PAIR, reg, first->reg, base, first->rhs, 0);
    } else {
        thumb_makes(emit, THUMB_LOAD, reg, size, base, disp, 0);
    }
    return reg;
}

static void thumb_store(emit_t *emit, int size, int value, int base, int disp) {
    size_t start = thumb_here(emit);
    bool pair = size == 2 && emit->viper.stored.end == start && start != 0 && emit->viper.stored.base == base
        && emit->viper.stored.disp + 4 == disp && asm_thumb_reaches_pair(disp - 4);
    thumb_begin(emit);
    if (pair) {
        thumb_rewind(emit, emit->viper.stored.start);
        asm_thumb_access_pair(emit->as, true, emit->viper.stored.reg, value, base, disp - 4);
    } else {
        asm_thumb_access(emit->as, size, true, value, base, disp);
    }
    thumb_end(emit);
    emit->viper.stored.start = start;
    emit->viper.stored.end = size == 2 && !pair ? thumb_here(emit) : 0;
    emit->viper.stored.reg = value;
    emit->viper.stored.base = base;
    emit->viper.stored.disp = disp;
}

// A base that is the sum of a value and a number, made just now for this access: the number goes into the displacement.
static int thumb_base(emit_t *emit, int base, int size, int *disp) {
    const thumb_result_t *sum = &emit->viper.last;
    int more = sum->op == ASM_THUMB_ADD ? sum->imm : -sum->imm;
    if (thumb_just_made(emit, base) && sum->how == THUMB_OP_IMM && (sum->op == ASM_THUMB_ADD || sum->op == ASM_THUMB_SUB)
        && more > -4096 && more < 4096 && asm_thumb_reaches(size, *disp + more)) {
        thumb_rewind(emit, sum->start);
        *disp += more;
        return sum->lhs;
    }
    return base;
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
    if (peek_stack(emit, 0)->kind == STACK_IMM && imm > -256 && imm < 4096 && asm_thumb_reaches(size, (int)imm * (1 << size))) {
        disp = (int)imm * (1 << size);
        emit_pre_pop_discard(emit);
    } else {
        index = thumb_pop(emit, 0);
        busy = 1 << index;
    }
    int base = thumb_pop(emit, busy);
    if (index < 0) {
        base = thumb_base(emit, base, size, &disp);
    }
    busy |= 1 << base;
    if (!store) {
        int dest;
        if (index < 0) {
            dest = thumb_load(emit, size, base, disp);
        } else {
            dest = thumb_free_reg(emit, 0);
            thumb_makes(emit, THUMB_LOAD_INDEX, dest, size, base, index, 0);
        }
        emit_post_push_reg(emit, VTYPE_INT, dest);
        return;
    }
    vtype = peek_vtype(emit, 0);
    if (vtype != VTYPE_BOOL && vtype != VTYPE_INT && vtype != VTYPE_UINT) {
        EMIT_NATIVE_VIPER_TYPE_ERROR(emit, MP_ERROR_TEXT("can't store '%q'"), vtype_to_qstr(vtype));
    }
    int value = thumb_pop(emit, busy);
    if (index < 0) {
        thumb_store(emit, size, value, base, disp);
    } else {
        thumb_begin(emit);
        asm_thumb_access_index(emit->as, size, true, value, base, index);
        thumb_end(emit);
    }
}

static void thumb_compare_zero(emit_t *emit, int reg, bool equal) {
    emit->viper.flags.compare = thumb_here(emit);
    asm_thumb_cmp_i32(emit->as, reg, 0);
    emit->viper.flags.zero = equal && reg < 8 ? reg : -1; // CBZ
    emit->viper.flags.compared = thumb_here(emit);
}

// Sets the flags for a comparison of a register that has been popped with 0; returns the condition to use then.
static int thumb_test(emit_t *emit, int reg, int cc) {
    static const uint8_t by_sign[] = {[ASM_THUMB_CC_LT] = ASM_THUMB_CC_MI, [ASM_THUMB_CC_GE] = ASM_THUMB_CC_PL};
    uint32_t mask = emit->viper.last.imm;
    bool equal = cc == ASM_THUMB_CC_EQ || cc == ASM_THUMB_CC_NE, masked = emit->viper.last.op == ASM_THUMB_AND;
    if (emit->viper.last.op == ASM_THUMB_FIELD) {
        masked = true;
        mask = (0xffffffff >> (32 - (mask >> 5))) << (mask & 31);
    }
    emit->viper.flags.zero = -1;
    if (equal && emit->viper.last.end == thumb_here(emit) && emit->viper.last.end != 0 && emit->viper.last.reg == reg && reg >= THUMB_SCRATCH
        && emit->viper.last.flags) {
        return cc; // a local that was assigned just now
    }
    if (!thumb_just_made(emit, reg) || emit->viper.last.how > THUMB_OP_REG
        || !(equal || cc == ASM_THUMB_CC_LT || cc == ASM_THUMB_CC_GE)) {
        thumb_compare_zero(emit, reg, equal);
    } else if (equal && masked && emit->viper.last.how == THUMB_OP_IMM && mask != 0 && ((mask & (mask - 1)) == 0 || (mask & (mask + 1)) == 0)) {
        // one bit becomes the sign, the lowest bits become all that there is: half as long as AND
        bool one = (mask & (mask - 1)) == 0;
        int shift = __builtin_clz(mask);
        thumb_rewind(emit, emit->viper.last.start);
        if (shift) {
            asm_thumb_op_i32(emit->as, ASM_THUMB_LSL, reg, emit->viper.last.lhs, shift);
        } else {
            asm_thumb_cmp_i32(emit->as, emit->viper.last.lhs, 0);
        }
        cc = one ? cc == ASM_THUMB_CC_EQ ? ASM_THUMB_CC_PL : ASM_THUMB_CC_MI : cc;
    } else if (!emit->viper.last.flags) {
        thumb_compare_zero(emit, reg, equal);
    } else if (!equal) {
        cc = by_sign[cc];
    }
    thumb_end(emit);
    return cc;
}

// The comparison's result is made last, so that a jump that follows can take it back and use the flags.
static void thumb_compare(emit_t *emit, int cc) {
    bool imm = peek_stack(emit, 0)->kind == STACK_IMM;
    mp_int_t value = peek_stack(emit, 0)->data.u_imm;
    int rhs = -1;
    if (imm) {
        emit_pre_pop_discard(emit);
    } else {
        rhs = thumb_pop(emit, 0);
    }
    int lhs = thumb_pop(emit, imm ? 0 : 1 << rhs);
    emit->viper.flags.zero = -1;
    if (imm && value == 0) {
        cc = thumb_test(emit, lhs, cc);
    } else if (!imm) {
        asm_thumb_cmp_reg(emit->as, lhs, rhs);
    } else if (!asm_thumb_cmp_i32(emit->as, lhs, value)) {
        asm_thumb_cmp_reg(emit->as, lhs, thumb_number(emit, value, 1 << lhs));
    }
    thumb_end(emit);
    int dest = thumb_free_reg(emit, 0);
    emit->viper.flags.cc = cc;
    emit->viper.flags.start = thumb_here(emit);
    asm_thumb_op16(emit->as, ASM_THUMB_OP_IT | cc << 4 | (cc & 1 ? 4 : 12));
    asm_thumb_mov_rlo_i8(emit->as, dest, 1);
    asm_thumb_mov_rlo_i8(emit->as, dest, 0);
    emit->viper.flags.end = thumb_here(emit);
    thumb_small(emit, dest, false);
    thumb_holds(emit, dest, THUMB_NOTHING, 0);
    thumb_end(emit);
    emit_post_push_reg(emit, VTYPE_BOOL, dest);
}

// Where the result of an operation goes: in place where that makes the instruction shorter.
static int thumb_dest(emit_t *emit, bool in_place, int lhs, int rhs) {
    if (in_place && lhs < THUMB_SCRATCH && !thumb_on_stack(emit, lhs)) {
        return lhs;
    }
    if (in_place && rhs >= 0 && rhs < THUMB_SCRATCH && !thumb_on_stack(emit, rhs)) {
        return rhs;
    }
    return thumb_free_reg(emit, 0);
}

// (x & 255) << 8 | x >> 8, where x is known to have 16 bits: the three instructions before this one give way to REV16.
static bool thumb_swaps(emit_t *emit, int lhs, int rhs) {
    thumb_result_t shift = emit->viper.last, upper = emit->viper.before[0], mask = emit->viper.before[1];
    int x = shift.lhs;
    if (!thumb_just_made(emit, rhs) || thumb_on_stack(emit, lhs) || shift.how != THUMB_OP_IMM || upper.how != THUMB_OP_IMM
        || mask.how != THUMB_OP_IMM || shift.op != ASM_THUMB_ASR || upper.op != ASM_THUMB_LSL || mask.op != ASM_THUMB_AND
        || shift.imm != 8 || upper.imm != 8 || mask.imm != 255 || upper.reg != lhs || upper.lhs != mask.reg || mask.lhs != x
        || mask.end != upper.start || upper.end != shift.start || mask.reg == x || upper.reg == x || rhs == x
        || !(emit->viper.small >> x & 1)) {
        return false;
    }
    thumb_rewind(emit, mask.start);
    thumb_makes(emit, THUMB_OP_IMM, mask.reg, ASM_THUMB_REV16, x, 0, 0);
    thumb_small(emit, mask.reg, true);
    return true;
}

// An operand that was shifted just now is shifted by the instruction that uses it. Returns whether it was.
static bool thumb_shifted(emit_t *emit, int op, int lhs, int rhs) {
    thumb_result_t shift = emit->viper.last;
    int kind = shift.op, by = shift.imm;
    if (op > ASM_THUMB_XOR || lhs == rhs || !thumb_just_made(emit, rhs) || shift.how != THUMB_OP_IMM) {
        return false;
    }
    if (kind == ASM_THUMB_FIELD && (by >> 5) + (by & 31) == 32) {
        kind = ASM_THUMB_LSR;
        by &= 31;
    }
    if ((kind != ASM_THUMB_LSL && kind != ASM_THUMB_ASR && kind != ASM_THUMB_LSR) || by < 1 || by > 31) {
        return false;
    }
    thumb_rewind(emit, shift.start);
    thumb_small(emit, rhs, false);
    thumb_makes(emit, THUMB_OP_SHIFTED, thumb_free_reg(emit, 0), op, lhs, shift.lhs, kind << 5 | by);
    return true;
}

// Integers only. False: the common code does it.
static bool viper_binary_op(emit_t *emit, mp_binary_op_t op) {
    vtype_kind_t vtype_lhs = peek_vtype(emit, 1), vtype_rhs = peek_vtype(emit, 0);
    bool imm = peek_stack(emit, 0)->kind == STACK_IMM, is_uint = vtype_lhs == VTYPE_UINT;
    mp_int_t value = peek_stack(emit, 0)->data.u_imm;
    int alu;
    switch (op) {
        case MP_BINARY_OP_LSHIFT: alu = ASM_THUMB_LSL; break;
        case MP_BINARY_OP_RSHIFT: alu = is_uint ? ASM_THUMB_LSR : ASM_THUMB_ASR; break;
        case MP_BINARY_OP_ADD: alu = ASM_THUMB_ADD; break;
        case MP_BINARY_OP_OR: alu = ASM_THUMB_OR; break;
        case MP_BINARY_OP_AND: alu = ASM_THUMB_AND; break;
        case MP_BINARY_OP_SUBTRACT: alu = ASM_THUMB_SUB; break;
        case MP_BINARY_OP_XOR: alu = ASM_THUMB_XOR; break;
        case MP_BINARY_OP_MULTIPLY: alu = ASM_THUMB_MUL; break;
        default: {
            static const uint8_t ccs[] = {ASM_THUMB_CC_LT, ASM_THUMB_CC_GT, ASM_THUMB_CC_EQ, ASM_THUMB_CC_LE, ASM_THUMB_CC_GE, ASM_THUMB_CC_NE};
            if (op < MP_BINARY_OP_LESS || op > MP_BINARY_OP_NOT_EQUAL || is_uint || vtype_rhs == VTYPE_UINT) {
                return false;
            }
            thumb_compare(emit, ccs[op - MP_BINARY_OP_LESS]);
            return true;
        }
    }
    int lhs, rhs = -1;
    stack_info_t *left = peek_stack(emit, 1);
    if (imm && alu == ASM_THUMB_AND && value > 0 && (value & (value + 1)) == 0 && left->kind == STACK_REG) {
        // (x >> n) & mask
        int shift = emit->viper.last.imm, width = 32 - __builtin_clz((uint32_t)value);
        adjust_stack(emit, -2);
        bool field = thumb_just_made(emit, left->data.u_reg) && emit->viper.last.how == THUMB_OP_IMM && emit->viper.last.op == ASM_THUMB_ASR
            && shift + width <= 32;
        adjust_stack(emit, 2);
        if (field) {
            adjust_stack(emit, -2);
            thumb_rewind(emit, emit->viper.last.start);
            thumb_makes(emit, THUMB_OP_IMM, left->data.u_reg, ASM_THUMB_FIELD, emit->viper.last.lhs, 0, width << 5 | shift);
            emit_post_push_reg(emit, vtype_lhs, emit->viper.last.reg);
            return true;
        }
    }
    if (imm) {
        // tried before anything is popped: whether the number fits into the instruction
        size_t here = thumb_here(emit);
        imm = asm_thumb_op_i32(emit->as, alu, 0, 0, value) != ASM_THUMB_CANNOT;
        emit->as->base.code_offset = here;
    }
    if (imm) {
        emit_pre_pop_discard(emit);
        lhs = thumb_pop(emit, 0);
        bool in_place = alu == ASM_THUMB_ADD || alu == ASM_THUMB_SUB ? value >= 8 || value <= -8 : false;
        thumb_makes(emit, THUMB_OP_IMM, thumb_dest(emit, in_place, lhs, -1), alu, lhs, 0, value);
    } else {
        rhs = thumb_pop(emit, 0);
        lhs = thumb_pop(emit, 1 << rhs);
        if (alu == ASM_THUMB_OR && thumb_swaps(emit, lhs, rhs)) {
            emit_post_push_reg(emit, vtype_lhs, emit->viper.last.reg);
            return true;
        }
        if (thumb_shifted(emit, alu, lhs, rhs) || (alu != ASM_THUMB_SUB && thumb_shifted(emit, alu, rhs, lhs))) {
            emit_post_push_reg(emit, vtype_lhs, emit->viper.last.reg);
            return true;
        }
        bool in_place = alu != ASM_THUMB_ADD && alu != ASM_THUMB_SUB;
        thumb_makes(emit, THUMB_OP_REG, thumb_dest(emit, in_place, lhs, alu <= ASM_THUMB_MUL ? rhs : -1), alu, lhs, rhs, 0);
    }
    emit_post_push_reg(emit, vtype_lhs, emit->viper.last.reg);
    return true;
}

// Whether all values below the top one are in their places in the frame, as they have to be where a jump arrives
static bool thumb_settled(emit_t *emit) {
    for (int i = 0; i < emit->stack_size - 1; i++) {
        if (emit->stack_info[i].kind != STACK_VALUE) {
            return false;
        }
    }
    return true;
}

// Brings all values there. The registers in `busy` are left alone.
static void thumb_settle(emit_t *emit, int busy) {
    for (int i = 0; i < emit->stack_size; i++) {
        stack_info_t *si = &emit->stack_info[i];
        if (si->kind != STACK_VALUE) {
            int reg = si->kind == STACK_REG ? si->data.u_reg : thumb_number(emit, si->data.u_imm, busy);
            si->kind = STACK_VALUE;
            thumb_store_slot(emit, emit->stack_start + i, reg);
        }
    }
    thumb_end(emit);
}

// Jumps on an integer or a comparison. False: the common code does it.
static bool viper_jump(emit_t *emit, vtype_kind_t vtype, bool cond, mp_uint_t label) {
    if (vtype != VTYPE_BOOL && vtype != VTYPE_INT && vtype != VTYPE_UINT) {
        return false;
    }
    int cc;
    stack_info_t *si = peek_stack(emit, 0);
    if (!thumb_settled(emit)) {
        int reg = thumb_pop(emit, 0);
        thumb_settle(emit, 1 << reg);
        asm_thumb_cmp_i32(emit->as, reg, 0);
        cc = ASM_THUMB_CC_NE;
        emit->viper.flags.zero = -1;
    } else if (vtype == VTYPE_BOOL && si->kind == STACK_REG && emit->viper.flags.end == thumb_here(emit) && emit->viper.flags.end != 0) {
        emit_pre_pop_discard(emit);
        thumb_rewind(emit, emit->viper.flags.start);
        cc = emit->viper.flags.cc;
    } else {
        int reg = thumb_pop(emit, 0);
        cc = thumb_test(emit, reg, ASM_THUMB_CC_NE);
    }
    cc ^= !cond;
    thumb_note_jump(emit, label);
    int zero = emit->viper.flags.zero;
    if (zero >= 0 && emit->viper.flags.compared == thumb_here(emit)) {
        thumb_rewind(emit, emit->viper.flags.compare);
        if (!asm_thumb_cbz_label(emit->as, cc == ASM_THUMB_CC_NE, zero, label)) {
            asm_thumb_cmp_rlo_i8(emit->as, zero, 0);
            asm_thumb_bcc_label(emit->as, cc, label);
        }
    } else {
        asm_thumb_bcc_label(emit->as, cc, label);
    }
    thumb_end(emit);
    emit_post(emit);
    return true;
}
