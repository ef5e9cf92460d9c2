/* symbols.c - what program counters mean: rows of the tables pc, frame and stack of a snapshot.
 *
 * Go: runtime/traceback.go unwinder.symPC, runtime/symtabinl.go, internal/abi/symtab.go FuncID
 * (1.18-1.27).  A return address stands for the call before it, so its line is that of pc - 1; a
 * pc that was interrupted, and the entry of a function, stand for themselves. */
#include <stdlib.h>
#include <string.h>

#include "rt/capture_int.h"

struct symbols {
    const struct rt *rt;
    struct snap *s;
    struct map by_pc;   /* pc << 1 | exact -> row of pc */
    struct map by_node; /* parent << 32 | pc -> row of stack */
    const struct target_mapping *maps;
    size_t nmaps;
};

struct symbols *symbols_new(const struct rt *rt, struct snap *s)
{
    struct symbols *y = mem_alloc(sizeof(*y));
    y->rt = rt;
    y->s = s;
    return y;
}

void symbols_free(struct symbols *y)
{
    if (!y)
        return;
    map_free(&y->by_pc);
    map_free(&y->by_node);
    free(y);
}

void symbols_set_maps(struct symbols *y, const struct target_mapping *maps, size_t n)
{
    y->maps = maps;
    y->nmaps = n;
}

/* The numbers of FuncID differ between releases; the names do not. */
enum snap_funcid symbols_func_id(const struct rt *rt, const char *name, uint8_t func_id)
{
    static const struct {
        const char *name;
        enum snap_funcid id;
    } special[] = {
        {"gopanic", SNAP_FN_GOPANIC},
        {"sigpanic", SNAP_FN_SIGPANIC},
        {"panicwrap", SNAP_FN_PANICWRAP},
        {"goexit", SNAP_FN_GOEXIT},
        {"main", SNAP_FN_RUNTIME_MAIN},
        {"asyncPreempt", SNAP_FN_ASYNC_PREEMPT},
        {"systemstack", SNAP_FN_SYSTEMSTACK},
        {"morestack", SNAP_FN_MORESTACK},
        {"mcall", SNAP_FN_MCALL},
        {"cgocallback", SNAP_FN_CGOCALLBACK},
        {"runfinq", SNAP_FN_RUN_FINALIZERS},
        {"runFinalizers", SNAP_FN_RUN_FINALIZERS},
        {"runCleanups", SNAP_FN_RUN_CLEANUPS},
        {"handleAsyncEvent", SNAP_FN_HANDLE_ASYNC_EVENT},
        {"corostart", SNAP_FN_COROSTART},
    };
    if (func_id == 0)
        return SNAP_FN_NORMAL;
    if (func_id == rt->wrapper_func_id)
        return SNAP_FN_WRAPPER;
    if (strncmp(name, "runtime.", 8) == 0)
        for (size_t i = 0; i < ARRAY_LEN(special); i++)
            if (strcmp(special[i].name, name + 8) == 0)
                return special[i].id;
    return SNAP_FN_OTHER;
}

/* Code that is not Go: named by the file it is in. */
static size_t add_foreign(struct symbols *y, taddr pc)
{
    struct snap *s = y->s;
    const char *path = "";
    for (size_t i = 0; i < y->nmaps; i++)
        if (pc >= y->maps[i].start && pc < y->maps[i].end)
            path = y->maps[i].path;
    if (!*path)
        return 0;
    const char *slash = strrchr(path, '/');
    uint32_t row = snap_add_frame(s);
    s->frame.func[row] = intern_add(&s->strings, slash ? slash + 1 : path);
    s->frame.file[row] = intern_add(&s->strings, path);
    s->frame.func_id[row] = SNAP_FN_OTHER;
    s->frame.flags[row] = SNAP_FF_FOREIGN;
    return 1;
}

static size_t add_frames(struct symbols *y, const struct rt_module *m, const struct pcln_func *f,
                         taddr pc)
{
    struct snap *s = y->s;
    struct pcln_frame frames[PCLN_FRAMES_MAX];
    size_t n = pcln_frames(&m->pcln, f, pc, frames, ARRAY_LEN(frames));
    for (size_t i = 0; i < n; i++) {
        uint32_t row = snap_add_frame(s);
        s->frame.func[row] = intern_add(&s->strings, frames[i].func);
        s->frame.file[row] = intern_add(&s->strings, frames[i].file);
        s->frame.line[row] = frames[i].line > 0 ? (uint32_t)frames[i].line : 0;
        s->frame.start_line[row] = frames[i].start_line > 0 ? (uint32_t)frames[i].start_line : 0;
        s->frame.entry[row] = f->entry;
        s->frame.func_id[row] = (uint8_t)symbols_func_id(y->rt, frames[i].func, frames[i].func_id);
        s->frame.flags[row] = (uint8_t)((frames[i].inlined ? SNAP_FF_INLINED : 0) |
                                        (f->flag & PCLN_FLAG_TOP ? SNAP_FF_TOP : 0));
    }
    return n;
}

uint32_t symbols_pc(struct symbols *y, taddr pc, bool exact)
{
    struct snap *s = y->s;
    bool added;
    if (!pc)
        return SNAP_NONE;
    uint32_t row = map_get_or_put(&y->by_pc, pc << 1 | exact, (uint32_t)s->pc.n, &added);
    if (!added)
        return row;
    struct pcln_func f;
    const struct rt_module *m;
    snap_add_pc(s);
    s->pc.addr[row] = pc;
    s->pc.flags[row] = exact ? SNAP_PC_EXACT : 0;
    s->pc.frame[row] = (uint32_t)s->frame.n;
    s->pc.frames[row] = (uint8_t)(rt_func_at(y->rt, pc, &f, &m)
                                      ? add_frames(y, m, &f, exact || pc == f.entry ? pc : pc - 1)
                                      : add_foreign(y, pc));
    return row;
}

struct err *symbols_merge(struct symbols *y, const struct unwinder *u, uint32_t **ret)
{
    const struct unwound_pc *pcs;
    const struct unwound_node *nodes;
    size_t npcs = unwinder_pcs(u, &pcs), nnodes = unwinder_nodes(u, &nodes);
    struct snap *s = y->s;
    uint32_t *pc_row = mem_try_alloc(npcs * sizeof(*pc_row) + 1);
    uint32_t *node_row = mem_try_alloc(nnodes * sizeof(*node_row) + 1);
    if (!pc_row || !node_row) {
        free(pc_row);
        free(node_row);
        return err_new(ERR_NOMEM, "no memory for %zu stack nodes", nnodes);
    }
    for (size_t i = 0; i < npcs; i++)
        pc_row[i] = symbols_pc(y, pcs[i].pc, pcs[i].exact);
    for (size_t i = 0; i < nnodes; i++) { /* callers come before what they called */
        uint32_t parent = nodes[i].parent, pc = pc_row[nodes[i].pc];
        bool added;
        if (parent != SNAP_NONE)
            parent = node_row[parent];
        node_row[i] =
            map_get_or_put(&y->by_node, (uint64_t)parent << 32 | pc, (uint32_t)s->stack.n, &added);
        if (added) {
            snap_add_stack(s);
            s->stack.parent[node_row[i]] = parent;
            s->stack.pc[node_row[i]] = pc;
        }
    }
    free(pc_row);
    *ret = node_row;
    return NULL;
}
