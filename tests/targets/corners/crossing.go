//go:build cgo

package main

// #include <unistd.h>
//
// extern int goCallback(int);
//
// static int c_add(int a, int b)
// {
//     return a + b;
// }
//
// static int c_calls(int a)
// {
//     return goCallback(a) + 1;
// }
//
// static void c_waits(void)
// {
//     for (;;)
//         usleep(2000);
// }
import "C"

//go:noinline
func crossing() int {
	a := C.c_add(1, 2) // cgo:add
	b := C.c_calls(a)  // cgo:calls
	return int(a + b)  // cgo:return
}

//go:noinline
func inC() {
	println("READY")
	C.c_waits() // cgo:waits
	sink = 4    // cgo:waited
}
