// cvalues: Go and C in one program, for tests of what a C compiler writes: bit fields, unions,
// enumerations, inlined C, thread-local and static variables, deep C frames.
package main

/*
#cgo CFLAGS: -g -O2
#include "values.h"
*/
import "C"

import (
	"fmt"

	"targets/lib"
)

//export goCallback
func goCallback(n C.int) C.int {
	return n * 2
}

func main() {
	lib.Dumps()
	var s C.struct_shape
	s.kind = C.CIRCLE
	fmt.Sprintln(C.area(&s, 3), C.deep(5), C.sorted())
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
