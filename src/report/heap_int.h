/* heap_int.h - what the reports on the heap share. */
#ifndef GOSPECT_REPORT_HEAP_INT_H
#define GOSPECT_REPORT_HEAP_INT_H

#include "report/heap.h"
#include "snap/edges.h"
#include "report/report_int.h"

enum { HEAP_WAYS_MAX = 100 }; /* of the largest retainers, to which the way is looked for */

/* "27 %", "0.4 %" */
void percent_of(struct buf *b, uint64_t part, uint64_t whole);
/* The name of a row's key: a type, a variable, "goroutine 17". */
void heap_row_text(const struct heap_graph *g, const struct heap_rows *rows, size_t i,
                   struct buf *b);
/* The last lines of every report: what was looked at, and what that cost. */
void heap_cost_text(const struct report_heap *r, struct flow *f);
/* "→ gospect heap TARGET ..." */
void heap_next_text(struct flow *f, const char *command);
/* {"kind","name",...} of a node: object, global, goroutine, other roots, or all. */
/* The same without braces. */
void heap_node_keys(struct json *j, const struct heap_graph *g, uint32_t node);
void heap_node_json(struct json *j, const struct heap_graph *g, uint32_t node);
/* Where in an object its first pointer to another one lies: ".next"; nothing for what a container
 * consists of. */
void heap_pointer_text(const struct heap_graph *g, uint32_t from, uint32_t to, struct buf *b);
/* [{"name","addr","type","bytes","retained"}, ...] of a path, with its text. */
void heap_path_json(struct json *j, const struct heap_graph *g, const struct heap_path *p);
const char *root_kind_name(enum snap_rootkind kind);

#endif
