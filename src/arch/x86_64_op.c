/* x86_64_op.c - what an amd64 instruction does, in the words of op.h.
 *
 * Go: cmd/compile/abi-internal.md (amd64 architecture): arguments, closure context, g and the zero
 * register since 1.17; what the compiler emits (cmd/compile/internal/amd64/ssa.go) decides which
 * instructions have a verb of their own.  Decoding is Zydis'. */
#include <Zydis/Zydis.h>

#include "arch/arch_int.h"

static const struct {
    ZydisMnemonic mnemonic;
    uint8_t verb;
} verbs[] = {
    {ZYDIS_MNEMONIC_MOV, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVZX, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVSX, ARCH_V_MOVE_SIGNED},
    {ZYDIS_MNEMONIC_MOVSXD, ARCH_V_MOVE_SIGNED},
    {ZYDIS_MNEMONIC_LEA, ARCH_V_ADDRESS},
    {ZYDIS_MNEMONIC_ADD, ARCH_V_ADD},
    {ZYDIS_MNEMONIC_SUB, ARCH_V_SUB},
    {ZYDIS_MNEMONIC_AND, ARCH_V_AND},
    {ZYDIS_MNEMONIC_OR, ARCH_V_OR},
    {ZYDIS_MNEMONIC_XOR, ARCH_V_XOR},
    {ZYDIS_MNEMONIC_SHL, ARCH_V_SHL},
    {ZYDIS_MNEMONIC_SHR, ARCH_V_SHR},
    {ZYDIS_MNEMONIC_SAR, ARCH_V_SAR},
    {ZYDIS_MNEMONIC_NEG, ARCH_V_NEG},
    {ZYDIS_MNEMONIC_NOT, ARCH_V_NOT},
    {ZYDIS_MNEMONIC_CMP, ARCH_V_COMPARE},
    {ZYDIS_MNEMONIC_TEST, ARCH_V_TEST},
    {ZYDIS_MNEMONIC_BT, ARCH_V_BIT},
    {ZYDIS_MNEMONIC_XADD, ARCH_V_FETCH_ADD},
    {ZYDIS_MNEMONIC_CMPXCHG, ARCH_V_COMPARE_SWAP},
    {ZYDIS_MNEMONIC_XCHG, ARCH_V_EXCHANGE},
    {ZYDIS_MNEMONIC_PUSH, ARCH_V_PUSH},
    {ZYDIS_MNEMONIC_POP, ARCH_V_POP},
    {ZYDIS_MNEMONIC_PUSHFQ, ARCH_V_PUSH}, /* what is not known */
    {ZYDIS_MNEMONIC_POPFQ, ARCH_V_POP},
    {ZYDIS_MNEMONIC_CALL, ARCH_V_CALL},
    {ZYDIS_MNEMONIC_JMP, ARCH_V_JUMP},
    {ZYDIS_MNEMONIC_RET, ARCH_V_RETURN},
    {ZYDIS_MNEMONIC_UD2, ARCH_V_TRAP},
    {ZYDIS_MNEMONIC_INT3, ARCH_V_TRAP},
    {ZYDIS_MNEMONIC_HLT, ARCH_V_TRAP},
    {ZYDIS_MNEMONIC_MOVUPS, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVAPS, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVUPD, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVAPD, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVDQU, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVDQA, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVQ, ARCH_V_MOVE},
    {ZYDIS_MNEMONIC_MOVD, ARCH_V_MOVE},
};

#define CONDITIONS(j, set, cmov, cond)                                                             \
    {ZYDIS_MNEMONIC_##j, ARCH_V_JUMP_IF, cond}, {ZYDIS_MNEMONIC_##set, ARCH_V_SET_IF, cond},       \
        {ZYDIS_MNEMONIC_##cmov, ARCH_V_MOVE_IF, cond},
static const struct {
    ZydisMnemonic mnemonic;
    uint8_t verb, cond;
} conditions[] = {
    CONDITIONS(JZ, SETZ, CMOVZ, ARCH_IF_EQ) CONDITIONS(JNZ, SETNZ, CMOVNZ, ARCH_IF_NE)
        CONDITIONS(JB, SETB, CMOVB, ARCH_IF_BELOW) CONDITIONS(JNB, SETNB, CMOVNB, ARCH_IF_AT_LEAST)
            CONDITIONS(JNBE, SETNBE, CMOVNBE, ARCH_IF_ABOVE) CONDITIONS(
                JBE, SETBE, CMOVBE, ARCH_IF_AT_MOST) CONDITIONS(JL, SETL, CMOVL, ARCH_IF_LESS)
                CONDITIONS(JNL, SETNL, CMOVNL, ARCH_IF_NOT_LESS)
                    CONDITIONS(JNLE, SETNLE, CMOVNLE, ARCH_IF_GREATER)
                        CONDITIONS(JLE, SETLE, CMOVLE, ARCH_IF_NOT_GREATER)
                            CONDITIONS(JS, SETS, CMOVS, ARCH_IF_NEGATIVE)
                                CONDITIONS(JNS, SETNS, CMOVNS, ARCH_IF_NOT_NEGATIVE)
                                    CONDITIONS(JO, SETO, CMOVO, ARCH_IF_OTHER)
                                        CONDITIONS(JNO, SETNO, CMOVNO, ARCH_IF_OTHER)
                                            CONDITIONS(JP, SETP, CMOVP, ARCH_IF_OTHER)
                                                CONDITIONS(JNP, SETNP, CMOVNP, ARCH_IF_OTHER)};

/* A general register and how much of it; false: not one, or bits 8 to 15 of one. */
static bool general(ZydisRegister reg, int8_t *ret)
{
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return false;
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    int n = arch_x86_64_number((int)whole);
    if (n < 0 || n >= 16)
        return false;
    *ret = (int8_t)n;
    return true;
}

static bool vector(ZydisRegister reg, int8_t *ret)
{
    if (reg < ZYDIS_REGISTER_XMM0 || reg > ZYDIS_REGISTER_XMM15)
        return false;
    *ret = (int8_t)(reg - ZYDIS_REGISTER_XMM0);
    return true;
}

static struct arch_operand memory(const ZydisDecodedOperand *op, taddr next)
{
    struct arch_operand o = {.size = (uint8_t)min_u64(op->size / 8, 255), .reg = -1, .index = -1};
    if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
        return o;
    o.value = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    o.scale = op->mem.scale;
    if (op->mem.base == ZYDIS_REGISTER_RIP)
        o.value += (int64_t)next;
    else if (op->mem.base != ZYDIS_REGISTER_NONE && !general(op->mem.base, &o.reg))
        return o;
    if (op->mem.index != ZYDIS_REGISTER_NONE && !general(op->mem.index, &o.index))
        return o;
    o.place = ARCH_MEMORY;
    return o;
}

static struct arch_operand operand(const ZydisDecodedOperand *op, taddr next)
{
    struct arch_operand o = {.size = (uint8_t)min_u64(op->size / 8, 255), .reg = -1, .index = -1};
    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (general(op->reg.value, &o.reg))
            o.place = ARCH_REG;
        else if (vector(op->reg.value, &o.reg))
            o.place = ARCH_VECTOR;
        return o;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        o.place = ARCH_IMMEDIATE;
        o.value = op->imm.value.s + (op->imm.is_relative ? (int64_t)next : 0);
        return o;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return memory(op, next);
    default:
        return o;
    }
}

/* What an instruction writes besides its first operand, hidden operands included. */
static void take_clobbers(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
                          bool first, struct arch_op *ret)
{
    for (unsigned i = first ? 0 : 1; i < in->operand_count; i++) {
        int8_t n;
        if (!(ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) ||
            ops[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        ZydisRegister reg = ops[i].reg.value;
        ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
        int number = arch_x86_64_number((int)whole);
        if (number >= 0 && number < 16)
            ret->clobbers |= UINT32_C(1) << number;
        else if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_XMM ||
                 ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_YMM ||
                 ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_ZMM) {
            n = ZydisRegisterGetId(reg);
            if (n >= 0 && n < ARCH_VECTORS)
                ret->vector_clobbers |= UINT32_C(1) << n;
        }
    }
}

/* Only what is written is known. */
static void opaque(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops, taddr next,
                   struct arch_op *ret)
{
    ret->verb = ARCH_V_OPAQUE;
    ret->dst = ret->src = ret->other = (struct arch_operand){.reg = -1, .index = -1};
    ret->clobbers = ret->vector_clobbers = 0;
    take_clobbers(in, ops, true, ret);
    for (unsigned i = 0; i < in->operand_count_visible; i++)
        if (ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            ops[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            ret->dst = memory(&ops[i], next);
}

static bool is_vector_move(const struct arch_op *o)
{
    return o->dst.place == ARCH_VECTOR || o->src.place == ARCH_VECTOR;
}

/* Verbs whose operands are not simply the visible ones in order, and forms that no verb covers. */
static bool arrange(const ZydisDecodedInstruction *in, struct arch_op *ret)
{
    switch (ret->verb) {
    case ARCH_V_PUSH:
    case ARCH_V_CALL:
    case ARCH_V_JUMP:
    case ARCH_V_JUMP_IF:
        ret->src = ret->dst;
        ret->dst = (struct arch_operand){.reg = -1, .index = -1};
        return true;
    case ARCH_V_MOVE:
        return ret->dst.size <= 16 && ret->src.size <= 16;
    case ARCH_V_SHL:
    case ARCH_V_SHR:
    case ARCH_V_SAR:
        return in->operand_count_visible == 2;
    case ARCH_V_XOR:
        return !is_vector_move(ret);
    case ARCH_V_POP:
        return ret->dst.place != ARCH_NOWHERE || in->mnemonic == ZYDIS_MNEMONIC_POPFQ;
    case ARCH_V_EXCHANGE:
        return ret->dst.place != ARCH_NOWHERE;
    default:
        return true;
    }
}

static bool same_register(const struct arch_operand *a, const struct arch_operand *b)
{
    return a->place == b->place && a->reg == b->reg && a->size == b->size &&
           (a->place == ARCH_REG || a->place == ARCH_VECTOR);
}

static void special(const ZydisDecodedInstruction *in, struct arch_op *ret)
{
    struct arch_operand *dst = &ret->dst, *src = &ret->src;
    struct arch_operand one = {
        .place = ARCH_IMMEDIATE, .size = dst->size, .reg = -1, .index = -1, .value = 1};
    switch (in->mnemonic) {
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_DEC:
        ret->verb = in->mnemonic == ZYDIS_MNEMONIC_INC ? ARCH_V_ADD : ARCH_V_SUB;
        *src = one;
        break;
    case ZYDIS_MNEMONIC_IMUL:
        if (in->operand_count_visible >= 2)
            ret->verb = ARCH_V_MUL;
        break;
    case ZYDIS_MNEMONIC_XORPS:
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPD:
        if (!same_register(dst, src))
            break;
        ret->verb = ARCH_V_MOVE;
        *src = one;
        src->value = 0;
        src->size = 8;
        break;
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSS: /* between registers they leave the rest as it is */
        if (dst->place != ARCH_NOWHERE && src->place != ARCH_NOWHERE && dst->place != src->place)
            ret->verb = ARCH_V_MOVE;
        break;
    default:
        if (in->meta.category == ZYDIS_CATEGORY_NOP ||
            in->meta.category == ZYDIS_CATEGORY_WIDENOP ||
            in->meta.category == ZYDIS_CATEGORY_PREFETCH)
            ret->verb = ARCH_V_NOTHING;
    }
}

static void find_verb(const ZydisDecodedInstruction *in, struct arch_op *ret)
{
    ret->verb = ARCH_V_OPAQUE;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (verbs[i].mnemonic == in->mnemonic)
            ret->verb = verbs[i].verb;
    for (size_t i = 0; ret->verb == ARCH_V_OPAQUE && i < ARRAY_LEN(conditions); i++) {
        if (conditions[i].mnemonic == in->mnemonic) {
            ret->verb = conditions[i].verb;
            ret->cond = conditions[i].cond;
        }
    }
    if (ret->verb == ARCH_V_OPAQUE)
        special(in, ret);
}

static bool changes_flags(const ZydisDecodedInstruction *in)
{
    const ZydisAccessedFlags *f = in->cpu_flags;
    return f && (f->modified | f->set_0 | f->set_1 | f->undefined);
}

bool arch_x86_64_op(const uint8_t *bytes, size_t n, taddr pc, struct arch_op *ret)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, n, &in, ops)))
        return false;
    taddr next = pc + in.length;
    struct arch_operand none = {.reg = -1, .index = -1};
    *ret = (struct arch_op){.len = in.length,
                            .atomic = (in.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0,
                            .flags = changes_flags(&in)};
    ret->dst = in.operand_count_visible > 0 ? operand(&ops[0], next) : none;
    ret->src = in.operand_count_visible > 1 ? operand(&ops[1], next) : none;
    ret->other = in.operand_count_visible > 2 ? operand(&ops[2], next) : none;
    find_verb(&in, ret);
    if (ret->verb == ARCH_V_OPAQUE || !arrange(&in, ret)) {
        opaque(&in, ops, next, ret);
        return true;
    }
    if (ret->dst.place == ARCH_NOWHERE) /* bits 8 to 15 of a register */
        take_clobbers(&in, ops, true, ret);
    return true;
}

const struct arch_abi arch_x86_64_abi = {
    .context = 1, /* rdx */
    .fp = 6,
    .g = 14,
    .zero = 15,
    .survives = 1u << 7 | 1u << 6 | 1u << 14,
};
