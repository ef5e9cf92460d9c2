// cbits: bit fields of C.  What they hold is printed by C.
package main

/*
#cgo CFLAGS: -g -O0
#include "bits.h"
*/
import "C"

import "fmt"

//export goStop
func goStop(p *C.struct_flags, n C.int) {
	fmt.Println("stop", n, p != nil) // stop
}

func main() {
	C.run()
}
