/* states_int.h - what the files of the states share. */
#ifndef GOSPECT_WAIT_STATES_INT_H
#define GOSPECT_WAIT_STATES_INT_H

#include "wait/states.h"

/* states_find.c: what the lives of a look, and of those before, come to. */
void states_find(struct wait_states *st, const struct wait_graph *w,
                 const struct wait_stuck *stuck);
/* states_order.c: who takes which lock while it holds another; then the circles among them. */
void states_order(struct wait_states *st, const struct wait_graph *w);
struct wait_order_circle {
    const struct wait_order *v[8];
    size_t n;
};
/* The next circle that holds the edge at or behind *at; false: there is none. */
bool states_circle(const struct wait_states *st, size_t *at, struct wait_order_circle *ret);

#endif
