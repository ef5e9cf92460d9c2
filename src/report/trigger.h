/* trigger.h - what chose the moment of a snapshot (`snapshot --at`, --when, --every). */
#ifndef GOSPECT_REPORT_TRIGGER_H
#define GOSPECT_REPORT_TRIGGER_H

#include "base/buf.h"
#include "base/json.h"
#include "snap/snap.h"

/* "breakpoint, number 2 of --at=main.work: goroutine 17 on thread 4243 at main.work (work.go:31)";
 * false: nothing chose it. */
bool report_trigger_text(struct buf *b, const struct snap *s);
/* The key "trigger" with an object; nothing when nothing chose it. */
void report_trigger_json(struct json *j, const struct snap *s);

#endif
