/* printers.h - printers of values that users write in Lua.
 *
 *     gospect.printer("main.Money", function(v) return v.cents / 100 .. " " .. v.currency end)
 *
 * A printer has the name of a type: as values show it; or without the directories of its path
 * ("url.URL"), or without type arguments ("main.Pair"); or "/regexp/".  The one that was registered
 * last comes first; another one of the same name takes its place, nil takes it away.  It gets the
 * value (as dbg/lua.h has values) and the name of its type.  It returns a text, or nil: then the
 * value shows as if there was no printer; and, if it wants, a list of {name, value}, which become
 * the value's children.  Pointers that are nil are not asked about.
 *
 * A call of a printer (and of those that it has called, by tostring(v)) has 500,000 steps and 8 MB.
 * One that fails shows its error behind the value as it is without it; after three failures by
 * these limits it is off until it is registered anew.  A printer may look, nothing else: commands
 * of scripts are errors in it.
 *
 * Printers are called wherever values are shown, by the session's thread and by the tracer's (log
 * points), one at a time.
 *
 * Owner: dbg_printers_free(), after dbg_use_printers(d, NULL) or dbg_close(). */
#ifndef GOSPECT_DBG_PRINTERS_H
#define GOSPECT_DBG_PRINTERS_H

#include "dbg/lua.h"

struct dbg_printers;
struct dbg;

/* Printers that are registered in l, which must live as long; adds the function to the table
 * `gospect` of l, which is made when it is not there. */
struct err *dbg_printers_new(struct dbg_lua *l, struct dbg_printers **ret) MUST_USE;
/* The same with a state of its own. */
struct err *dbg_printers_open(struct dbg_printers **ret) MUST_USE;
void dbg_printers_free(struct dbg_printers *p); /* NULL is fine */
/* Runs a file that registers printers. */
struct err *dbg_printers_run(struct dbg_printers *p, const char *path) MUST_USE;
/* The user's file of printers: $XDG_CONFIG_HOME/gospect/printers.lua (~/.config when that is not
 * set); NULL: there is none. */
const char *dbg_printers_file(struct arena *a);

/* All values of the session are shown with them; NULL: without. */
void dbg_use_printers(struct dbg *d, struct dbg_printers *p);
/* For values of a stand: hook 0 is the session's thread's, hook 1 the tracer's. */
void dbg_printers_attach(struct dbg_printers *p, unsigned hook, struct rt_stand *st);

/* Children that the printer of a value names; false: it has no printer, or that names none. */
bool dbg_printed_children(struct rt_stand *st, const struct dbg_value *v, struct arena *a,
                          struct dbg_value **ret, size_t *ret_n);

struct dbg_printer_info {
    const char *name, *where; /* where: "FILE:LINE" */
    const char *trouble;      /* why it is off; "": it is not */
};
size_t dbg_printers_list(struct dbg_printers *p, struct arena *a, struct dbg_printer_info **ret);

#endif
