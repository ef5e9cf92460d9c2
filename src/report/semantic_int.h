/* semantic_int.h - what the text, the JSON and the picture of a semantic diff share. */
#ifndef GOSPECT_REPORT_SEMANTIC_INT_H
#define GOSPECT_REPORT_SEMANTIC_INT_H

#include "report/report_int.h"
#include "report/semantic.h"

enum { SEMANTIC_MOST = 3 }; /* sites that are named first */

/* Which calls are shown, and what a call itself allocates.  Arrays by node, owned. */
struct semantic_view {
    const struct report_semantic *r;
    const struct heap_site_node *v;
    size_t n;
    double whole;    /* bytes in use, of the larger side: what shares are of */
    double *self;    /* growth at the call itself, without its callees */
    bool *shown;     /* a shown call's callers are shown */
    uint32_t *below; /* calls below it that are not shown */
    size_t nshown;
    uint32_t most[SEMANTIC_MOST]; /* most growth of their own first; then what shrank most */
    size_t nmost;
};
void semantic_view_init(struct semantic_view *x, const struct report_semantic *r);
void semantic_view_free(struct semantic_view *x);

static inline double semantic_delta(const struct heap_site_node *v)
{
    return v->b - v->a;
}

/* "main.(*Hub).publish notify.go:88" */
void semantic_place(struct buf *b, const struct heap_site_node *v);
void semantic_signed(struct buf *b, double bytes); /* "+32 MB", "−8 B", "±0 B" */
/* Two digits, never rounded up: what is below a threshold must not look as if it were not. */
void semantic_alike(struct buf *b, double similarity);
/* "allocation sites differ: 0.41 alike, below 0.85" */
void semantic_verdict(struct buf *b, const struct heap_semantic *t);

#endif
