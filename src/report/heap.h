/* heap.h - the heap in text, JSON and as a profile; docs/formats/heap.schema.json.
 *
 * What is computed is heap/'s; here it only gets its words.  Bytes are those of slots: what the
 * allocator gave.  Owner: nothing is kept.  Thread: one at a time for each graph. */
#ifndef GOSPECT_REPORT_HEAP_H
#define GOSPECT_REPORT_HEAP_H

#include "base/mem.h"
#include "heap/by.h"
#include "heap/paths.h"
#include "heap/suspects.h"
#include "report/report.h"

struct report_heap {
    struct heap_graph *graph;
    const char *target;        /* how it is written on a command line that shows more */
    size_t limit;              /* rows of each list; 0: all */
    int64_t wall_ns;           /* all that it took; 0: not told */
    struct progress *progress; /* of a profile, which takes a while; may be NULL */
};

/* The summary and one list: groups of objects, or (objects: true) the largest retainers. */
struct report_heap_list {
    bool objects;
    enum heap_by by;
};
struct err *report_heap_text(const struct report_heap *r, const struct report_heap_list *list,
                             const struct report_style *style, struct report_sink out) MUST_USE;
struct err *report_heap_json(const struct report_heap *r, const struct report_heap_list *list,
                             struct report_sink out) MUST_USE;

struct err *report_heap_suspects_text(const struct report_heap *r, const struct heap_suspects *v,
                                      const struct report_style *style,
                                      struct report_sink out) MUST_USE;
struct err *report_heap_suspects_json(const struct report_heap *r, const struct heap_suspects *v,
                                      struct report_sink out) MUST_USE;

/* what: as the user named it. */
struct err *report_heap_paths_text(const struct report_heap *r, const char *what,
                                   const struct heap_paths *v, const struct report_style *style,
                                   struct report_sink out) MUST_USE;
struct err *report_heap_paths_json(const struct report_heap *r, const char *what,
                                   const struct heap_paths *v, struct report_sink out) MUST_USE;

/* One object: what it is, its pointers, who points to it, what it keeps alive. */
struct err *report_heap_object_text(const struct report_heap *r, uint32_t slot,
                                    const struct report_style *style,
                                    struct report_sink out) MUST_USE;
struct err *report_heap_object_json(const struct report_heap *r, uint32_t slot,
                                    struct report_sink out) MUST_USE;

/* The dominator tree by types as a profile: who keeps what, for go tool pprof -http.  Values:
 * objects/count, space/bytes of live objects. */
struct err *report_heap_pprof(const struct report_heap *r, struct report_sink out) MUST_USE;

#endif
