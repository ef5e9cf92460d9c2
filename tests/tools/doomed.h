/* doomed.h - see doomed.c. */
#ifndef GOSPECT_TESTS_DOOMED_H
#define GOSPECT_TESTS_DOOMED_H

#include <sys/types.h>

/* So many calls from now on are made, the next one is not; `also` (0: nobody) ends with us. */
void doomed_at(long n, pid_t also);
long doomed_left(void); /* how many of them are left */

#endif
