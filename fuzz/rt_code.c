/* rt_code.c - machine code that is followed (code_follow.c): a function of any bytes. */
#include "rt/code_follow.h"

#include <elf.h>

#include "arch/arch.h"

enum { BASE = 1 << 20 };

static void on_store(void *arg, struct code_value base, int64_t off, struct code_value v)
{
    struct code_value *last = arg;
    *last = code_load(base, off);
    if (v.depth > CODE_DEPTH)
        abort();
}

static struct code_value on_call(void *arg, taddr target, const struct code_value args[CODE_ARGS])
{
    (void)arg;
    if (target % 3 == 0)
        return (struct code_value){.kind = CODE_KEPT};
    return (struct code_value){.kind = CODE_NEW, .at = args[0].at};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct arch *arch = arch_by_machine(EM_X86_64);
    struct code_value last = {.kind = CODE_UNKNOWN};
    taddr behind;
    size_t at = 0;
    taddr addr;
    for (enum code_view view = CODE_BY_ITSELF; view <= CODE_BY_FRAME; view++) {
        const struct code_events events = {
            .store = on_store, .call = on_call, .arg = &last, .view = view, .behind = &behind};
        code_follow(arch, data, size, BASE, &events);
    }
    while (arch->next_ref(data, size, BASE, BASE, BASE + 256, &at, &addr))
        if (at > size || addr - BASE >= 256)
            abort();
    return 0;
}
