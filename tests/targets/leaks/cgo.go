//go:build cgo

package main

/*
#include <stdint.h>
#include <unistd.h>
static volatile uintptr_t kept;
static volatile int go_on;
static void keep(uintptr_t h) { kept = h; }
static uintptr_t give(void) { return kept; }
static void block(void) { while (!go_on) usleep(10000); }
static void unblock(void) { go_on = 1; }
*/
import "C"

import "runtime/cgo"

func init() { more = append(more, inC) }

// Only C knows the handle of the channel; and a goroutine in C will send.
func inC() {
	ch := make(chan int)
	C.keep(C.uintptr_t(cgo.NewHandle(ch)))
	start("handle in C", false, func() { <-ch })
	later(func() { cgo.Handle(C.give()).Value().(chan int) <- 1 })

	back := make(chan int)
	start("in C", false, func() { C.block(); back <- 1 })
	start("for one in C", false, func() { <-back })
	later(func() { C.unblock() })
}
