/* names.h - names as people say them, the same wherever gospect says them.
 *
 *     example.com/shop/orders.(*Hub).publish.func1    ->  orders.(*Hub).publish.func1
 *     slices.SortFunc[go.shape.[]main.T,go.shape.int] ->  slices.SortFunc[...]
 *     github.com/a/b/v2.F, gopkg.in/yaml%2ev3.G       ->  b/v2.F, yaml.v3.G
 *     .../pkg/mod/example.com/shop@v1.2.3/orders/notify.go  ->  orders/notify.go
 *     .../pkg/mod/example.com/shop@v1.2.3/shop.go           ->  shop/shop.go
 *     /usr/local/go/src/net/http/server.go                  ->  net/http/server.go
 *
 * What comes out is understood by filters (func=, file=).  Thread: any. */
#ifndef GOSPECT_SNAP_NAMES_H
#define GOSPECT_SNAP_NAMES_H

#include "snap/code.h"

/* Package-qualified but short. */
void snap_short_func(struct buf *b, const char *func);
/* Without its package: (*Hub).publish.func1. */
void snap_bare_func(struct buf *b, const char *func);
/* The package directory and the file; of the standard library the whole import path. */
void snap_short_file(struct buf *b, const struct snap *s, const struct snap_codes *c,
                     uint32_t frame);
/* The same with :line, when the line is known. */
void snap_short_place(struct buf *b, const struct snap *s, const struct snap_codes *c,
                      uint32_t frame);

#endif
