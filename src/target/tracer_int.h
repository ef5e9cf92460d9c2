/* tracer_int.h - the one thread that traces.
 *
 * The kernel ties a traced thread to the thread that seized it, not to the process: every ptrace
 * call must come from there.  So each live target that is traced has a thread of its own for it;
 * others hand it work with tracer_call() and wait.  A function that may only run there takes a
 * token, which nobody else can have.
 *
 * When that thread ends, however it ends, the kernel lets go of everything it traced: that is the
 * last of all safeguards, and why nothing else may seize. */
#ifndef GOSPECT_TARGET_TRACER_INT_H
#define GOSPECT_TARGET_TRACER_INT_H

#include <sched.h>

#include "base/err.h"
#include "base/types.h"

struct tracer;

struct tracer_token {
    struct tracer *tracer;
};

struct err *tracer_start(struct tracer **ret) MUST_USE;
void tracer_stop(struct tracer *t); /* NULL is fine; lets go of everything */

/* Runs fn on the tracer thread and returns what it returned.  Thread: any but the tracer. */
struct err *tracer_call(struct tracer *t,
                        struct err *(*fn)(const struct tracer_token *tok, void *arg),
                        void *arg) MUST_USE;

/* While a process stands still nobody may take the processor from us, where we are allowed to say
 * so (CAP_SYS_NICE).  An urgent thread must sleep instead of yielding when it waits for others. */
/* From now on the tracer may be blocked in the kernel until something happens that aside() brings
 * about; the thread that waits for it calls that every few milliseconds.  NULL: not blocked (any
 * more), aside() has returned.  What aside() uses must not be touched in between. */
void tracer_blocks(const struct tracer_token *tok, void (*aside)(void *arg), void *arg);
/* The same for any thread, which asks for itself. */
struct urgency {
    bool on;
    int usual_policy;
    struct sched_param usual_param;
};
void urgency_set(struct urgency *u, bool on);
void tracer_urgent(const struct tracer_token *tok, bool on);
bool tracer_is_urgent(const struct tracer_token *tok);

/* While fn is set, the tracer calls it every few milliseconds when it has no other work: what is
 * still traced must be looked after.  fn returns false when that is over.  Beside tracer_attend()
 * only when that returns. */
void tracer_look_after(const struct tracer_token *tok,
                       bool (*fn)(const struct tracer_token *tok, void *arg), void *arg);

/* While fn is set, the tracer calls it whenever it has no other work, and fn may sleep in the
 * kernel until something happens: tracer_call() interrupts it by a signal, again and again until it
 * has returned (one may come just before it goes to sleep).  It returns for how many nanoseconds
 * the tracer shall do nothing but wait for work; 0: none; below 0: it is not to be called any more.
 */
void tracer_attend(const struct tracer_token *tok,
                   int64_t (*fn)(const struct tracer_token *tok, void *arg), void *arg);

#endif
