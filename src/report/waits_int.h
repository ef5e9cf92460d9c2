/* waits_int.h - what the reports of waits share: the goroutines of a group by place. */
#ifndef GOSPECT_REPORT_WAITS_INT_H
#define GOSPECT_REPORT_WAITS_INT_H

#include "report/report_int.h"
#include "report/waits.h"

/* Goroutines of a group that wait in the same way at the same place. */
struct waits_place {
    uint32_t place; /* row of frame; SNAP_NONE: not known */
    uint8_t kind;   /* enum wait_kind */
    uint8_t trap;
    uint32_t example, count;
};
struct waits_places {
    VEC(struct waits_place) v; /* largest first */
};
void waits_places_of(const struct wait_graph *w, const struct wait_group *p,
                     struct waits_places *ret);
void waits_places_free(struct waits_places *p);

/* "main.lockGlobal at waits/main.go:90"; "" when it is not known. */
void waits_place_text(struct buf *b, const struct snap *s, const struct snap_codes *codes,
                      uint32_t frame);
/* What a group waits for: its object, or "201 connections", "chan int, 12 of them". */
void waits_group_text(struct buf *b, const struct wait_graph *w, const struct wait_group *p);
/* "goroutine 88 (proved: unlock)" */
void waits_holder_text(struct buf *b, const struct wait_graph *w, const struct wait_holder *h);
/* How many groups are shown. */
size_t waits_shown(const struct report_waits *r);

#endif
