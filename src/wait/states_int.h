/* states_int.h - what the files of the states share. */
#ifndef GOSPECT_WAIT_STATES_INT_H
#define GOSPECT_WAIT_STATES_INT_H

#include "wait/states.h"

/* Looks in a row in which a goroutine that runs may seem not to: its counter of runs has 8 bits,
 * and may come round to what it was. */
enum { STATES_STILL_MAX = 1 };

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

/* states_cycle.c: goroutines that run and come back to the same states. */
bool states_stirs(const struct wait_life *l, const struct wait_info *i); /* in this look */
void states_trace(struct wait_states *st, const struct wait_graph *w);
/* Goroutines that hand something round over channels, to nobody else: of each trace the number of
 * its ring, from 1 on; 0: in none.  Free ret; how many rings. */
uint32_t states_rings(const struct wait_states *st, const struct wait_graph *w, uint32_t **ret);

#endif
