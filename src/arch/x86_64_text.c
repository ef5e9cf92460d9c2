/* x86_64_text.c - instructions as people read them: Intel's syntax, as its manual has it. */
#include <Zydis/Zydis.h>
#include <string.h>

#include "arch/arch_int.h"

bool arch_x86_64_text(const uint8_t *bytes, size_t n, taddr pc, char *ret, size_t max)
{
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    return ZYAN_SUCCESS(
               ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
           ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) &&
           ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &in, ops)) &&
           ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
               &formatter, &in, ops, in.operand_count_visible, ret, max, pc, NULL));
}
