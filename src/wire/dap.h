/* dap.h - the Debug Adapter Protocol without its sockets: frames, requests, arguments.
 *
 * A peer's bytes go into a struct dap_in, whole messages come out; dap_message_read() tells what a
 * message is, dap_args_read() makes C of its arguments by the rows of dap.def.  The other way,
 * dap_put_*() append framed messages to a buffer; bodies are JSON that the caller has written.
 * Everything is bounded: a header, a message, the depth and number of its values, so that a peer
 * costs a fixed amount of memory.  Strings and records live in the caller's arena. */
#ifndef GOSPECT_WIRE_DAP_H
#define GOSPECT_WIRE_DAP_H

#include "base/buf.h"
#include "base/json_read.h"

enum {
    DAP_HEADER_MAX = 4096,
    DAP_MESSAGE_MAX = 16 << 20,
    DAP_DEPTH_MAX = 32,
    DAP_VALUES_MAX = 200000,
};

/* ---- frames ---- */

struct dap_in {
    struct buf buf;
    size_t at;     /* what was taken out */
    size_t length; /* of the message whose header was read; 0: no header yet */
};

void dap_in_free(struct dap_in *in);
void dap_in_add(struct dap_in *in, const void *bytes, size_t n);
/* The next whole message, in in's memory until the next call; *ret NULL: it is not whole yet.
 * BAD_DATA, LIMIT: where the next message begins is not known; nothing more can be read. */
struct err *dap_in_next(struct dap_in *in, const char **ret, size_t *ret_n) MUST_USE;

/* ---- messages ---- */

enum dap_type { DAP_REQUEST, DAP_RESPONSE };

struct dap_message {
    enum dap_type type;
    int64_t seq;
    const char *command;
    const struct json_value *arguments; /* REQUEST: NULL when there are none; RESPONSE: its body */
    int64_t request_seq;                /* RESPONSE */
    bool success;
    const char *text; /* RESPONSE without success: the reason */
};

/* BAD_DATA: not JSON or no such message; *ret has what could be read: seq and command, 0 and "". */
struct err *dap_message_read(const char *text, size_t n, struct arena *a,
                             struct dap_message *ret) MUST_USE;

/* ---- arguments ---- */

struct dap_pair {
    const char *name, *value; /* value NULL: null stood there */
};

#define REC(name) struct dap_##name {
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#define INT(rec, field, need, min, max, def) int64_t field;
#define ID(rec, field, need) int64_t field; /* 0: not given */
#define BOOL(rec, field, def) bool field;
#define TRI(rec, field) int field;
#define STR(rec, field, need, def) const char *field;
#define TEXT(rec, field) const char *field;
#define STRS(rec, field)                                                                           \
    const char *const *field;                                                                      \
    size_t n##field;
#define MAP(rec, field)                                                                            \
    const struct dap_pair *field;                                                                  \
    size_t n##field;
#define WORD(rec, field, need, words, def) int field;
#define OBJ(rec, field, type, need) const struct dap_##type *field;
#define LIST(rec, field, type, need)                                                               \
    const struct dap_##type *field;                                                                \
    size_t n##field;
#include "wire/dap.def"

struct dap_record {
    const char *name;
    const struct dap_field *fields;
    size_t n, size;
};

#define REC(name) extern const struct dap_record dap_record_##name;
#include "wire/dap.def"

/* All records, for those who look at the table itself: its fuzzer. */
extern const struct dap_record *const dap_records[];
extern const size_t dap_nrecords;

/* A struct dap_NAME for the record; v NULL: no arguments came.  USAGE: which argument is wrong,
 * what it should be and what it is. */
struct err *dap_args_read(const struct dap_record *r, const struct json_value *v, struct arena *a,
                          void **ret) MUST_USE;

/* ---- what we say ---- */

/* Bodies are JSON values, n 0: none. */
void dap_put_response(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                      const char *body, size_t n);
/* The same; a large body becomes part of an empty out without being copied, and is empty then. */
void dap_take_response(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                       struct buf *body);
/* The error's message with its excerpt and hint; word: what stands in its place for programs (the
 * protocol's own "cancelled" and "notStopped"), or NULL; show: the user is to see it.  e stays the
 * caller's. */
void dap_put_failure(struct buf *out, int64_t seq, int64_t request_seq, const char *command,
                     const struct err *e, const char *word, bool show);
void dap_put_event(struct buf *out, int64_t seq, const char *event, const char *body, size_t n);
void dap_put_request(struct buf *out, int64_t seq, const char *command, const char *args, size_t n);

/* ---- base64, in which memory travels ---- */
void dap_base64(struct buf *out, const void *bytes, size_t n);
struct err *dap_unbase64(const char *text, struct buf *out) MUST_USE;

#endif
