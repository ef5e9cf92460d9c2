/* values.h - the types of cvalues, in every shape a C compiler describes. */
#include <stdint.h>

enum kind { CIRCLE, SQUARE = 5, NEGATIVE = -3 };

typedef int (*compare_fn)(const void *a, const void *b);

struct bits {
    unsigned a : 3;
    int b : 7;
    uint64_t c : 40;
    unsigned char d : 1, : 2, e : 5;
};

union number {
    int64_t i;
    double f;
    unsigned char bytes[8];
};

struct shape {
    enum kind kind;
    const char *name;
    struct bits bits;
    union number value;
    double grid[2][3];
    compare_fn compare;
    struct shape *volatile next;
    struct {
        short inner;
        _Bool flag;
    };
    float _Complex complex;
    int tail[];
};

double area(const struct shape *s, int factor);
int deep(int n);
int sorted(void);
int goCallback(int n);
