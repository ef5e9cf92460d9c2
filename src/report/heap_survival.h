/* heap_survival.h - survival of objects by type, as a part of `gospect mem diff`. */
#ifndef GOSPECT_REPORT_HEAP_SURVIVAL_H
#define GOSPECT_REPORT_HEAP_SURVIVAL_H

#include "heap/survival.h"
#include "report/report_int.h"

/* limit: rows beside those that changed; 0: all. */
void report_survival_text(const struct heap_survival *s, size_t limit, struct flow *f);
/* The member "survival" of an object that has begun. */
void report_survival_json(const struct heap_survival *s, struct json *j);

#endif
