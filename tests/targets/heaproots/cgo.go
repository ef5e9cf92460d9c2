//go:build cgo

package main

/*
#include <unistd.h>
extern void goParks(void);
static void wait_here(void *p) { for (;;) pause(); }
static void call_back(void *p) { goParks(); }
*/
import "C"

import (
	"runtime"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

func init() { newer = append(newer, foreign) }

var globalHandle cgo.Handle

func foreign() {
	globalHandle = cgo.NewHandle(newLeaf("cgo_handle"))
	start(inC)
	start(throughC)
}

//go:noinline
func inC() {
	kept := newLeaf("cgo_local")
	dead := newLeaf("cgo_dead")
	use(dead)
	atomic.AddInt32(&parked, 1)
	C.wait_here(unsafe.Pointer(newLeaf("cgo_argument")))
	runtime.KeepAlive(kept)
}

//go:noinline
func throughC() {
	kept := newLeaf("callback_outside")
	C.call_back(unsafe.Pointer(newLeaf("callback_argument")))
	runtime.KeepAlive(kept)
}

//export goParks
func goParks() {
	kept := newLeaf("callback_inside")
	park()
	runtime.KeepAlive(kept)
}
