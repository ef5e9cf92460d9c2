/* bits.h - bit fields in every way they lie: in one unit, over bytes, signed, after an empty one,
 * of enums. */
#include <stdint.h>

enum color { RED, GREEN, BLUE = 5 };

struct flags {
    unsigned ready : 1;
    int delta : 5;
    unsigned long long wide : 40;
    unsigned char a : 3, : 2, b : 3;
    unsigned : 0;
    enum color color : 4;
    _Bool on : 1;
    uint64_t all : 64;
    int after;
    struct {
        short inner : 9;
    } in;
};

extern struct flags flags;
void run(void);
void goStop(struct flags *p, int n);
