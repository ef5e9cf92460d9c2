/* report_int.h - what the reports of this room share: text that flows into a sink, looks, frames
 * that are rendered once. */
#ifndef GOSPECT_REPORT_REPORT_INT_H
#define GOSPECT_REPORT_REPORT_INT_H

#include "base/json.h"
#include "base/vec.h"
#include "report/report.h"
#include "snap/group.h"
#include "snap/names.h"

/* ---- text ---- */

enum look { LOOK_PLAIN, LOOK_BOLD, LOOK_DIM, LOOK_RED, LOOK_YELLOW, LOOK_GREEN };
/* The escape sequence, "" without colours. */
const char *look(const struct report_style *style, enum look l);
/* Appends cleaned text in that look. */
void look_text(struct buf *b, const struct report_style *style, enum look l, const char *text);

/* Appends cleaned text as it may stand in SVG, between tags and in quotes. */
void svg_text(struct buf *b, const char *text);

/* Text on its way to a sink: append to b, call flow() now and then. */
struct flow {
    struct buf b;
    const struct report_style *style;
    struct report_sink sink;
    struct err *err; /* the sink's first */
};
void flow(struct flow *f); /* hands over what there is, when it is enough */
struct err *flow_end(struct flow *f) MUST_USE;
/* A paragraph, wrapped to the width, with its newline; further lines two columns in. */
void flow_wrapped(struct flow *f, const struct buf *text, size_t indent);

/* A line of pieces with gaps between them, continued on the next line where the next would be too
 * wide. */
struct line {
    struct buf *b;
    size_t width, indent, column; /* width 0: no limit */
    bool begun;
};
void line_begin(struct line *l, struct buf *b, const struct report_style *style, size_t indent);
void line_add(struct line *l, const char *piece, const char *gap);

/* left, and right at the right edge; when both do not fit, right on a line of its own. */
void two_sides(struct buf *b, const struct report_style *style, const char *left,
               const char *right);

/* "1 goroutine", "12,408 goroutines" */
void count_of(struct buf *b, uint64_t n, const char *one, const char *many);

/* ---- facts about the snapshot that several reports begin or end with ---- */

/* "orders-api pid 4242 go1.24.3" */
void name_target(struct buf *b, const struct snap *s);
/* What the command that made the evidence cost, as a sentence without its end. */
void cost_line(struct buf *b, const struct snap *s, int64_t wall_ns);
/* "; the core does not say when it was taken ...", when that is so. */
void cut_ages(struct buf *b, const struct snap *s);
/* What could not be read; nothing when all could. */
void missing_text(struct buf *b, const struct snap *s, const struct report_style *style);

/* {"pid":...,"exe":...} */
void target_json(struct json *j, const struct snap *s);
/* A document of its own on a snapshot: the object begins, with target, consistency, method, ...; it
 * ends with missing, [{"what","count","why"}]. */
void document_begin(struct json *j, const struct snap *s, struct report_sink out);
struct err *document_end(struct json *j, const struct snap *s) MUST_USE;

/* ---- frames that are rendered once ---- */

/* The visible frames of each pc, as the callback writes them one by one, kept for the next
 * goroutine. */
struct frames {
    const struct snap *s;
    struct snap_codes codes;
    void (*render)(struct frames *f, struct buf *b, uint32_t pc, uint32_t frame);
    const struct report_style *style;
    struct buf text;
    struct rendered {
        size_t at, n;
        uint32_t count; /* of visible frames */
        bool done;
    } * pcs; /* of each pc, twice: ordinarily, and when it called a panic function */
};
void frames_init(struct frames *f, const struct snap *s, const struct report_style *style,
                 void (*render)(struct frames *f, struct buf *b, uint32_t pc, uint32_t frame));
void frames_free(struct frames *f);
/* Appends the frames of a stack, at most `depth` of them (0: all); how many were left out. */
uint64_t frames_of_stack(struct frames *f, struct buf *b, uint32_t node, unsigned depth);

#endif
