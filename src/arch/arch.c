/* arch.c - the table of processors; see arch.h. */
#include "arch/arch.h"

#include "arch/arch_int.h"

static const struct arch *const all[] = {&arch_x86_64};

const struct arch *arch_by_machine(uint16_t machine)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->machine == machine)
            return all[i];
    return NULL;
}

const struct arch *arch_host(void)
{
    return &arch_x86_64;
}
