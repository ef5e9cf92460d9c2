//go:build cgo

package main

/*
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static uint64_t turn(uint64_t n) {
	volatile uint64_t x = n;
	for (uint64_t i = 0; i < n; i++)
		x += x >> 3;
	return x;
}

static void sleepy(void) {
	struct timespec t = {0, 20000};
	nanosleep(&t, 0);
}

static void stuck(void) {
	for (;;)
		pause();
}

void goCallback(int n);
static void viaC(int n) {
	volatile int keep = n;
	goCallback(n);
	keep++;
}
*/
import "C"

//export goCallback
func goCallback(n C.int) { back(int(n)) }

//go:noinline
func back(n int) {
	sink += called(uint64(n))
	if n > 0 {
		forth(n - 1)
	}
}

//go:noinline
func forth(n int) { C.viaC(C.int(n)) }

func jobC()         { sink += uint64(C.turn(3)) }
func jobCSpin()     { sink += uint64(C.turn(100000000)) }
func jobCSleep()    { C.sleepy() }
func jobCStuck()    { C.stuck() }
func jobCallback()  { forth(3) }
func jobCallGrow()  { forthAndGrow() }
func forthAndGrow() { forth(0); sink += deeper(100); forth(1) }

func init() {
	jobs["c"], jobs["cspin"], jobs["csleep"], jobs["cstuck"] = jobC, jobCSpin, jobCSleep, jobCStuck
	mixed = []func(){jobC, jobCSleep, jobCallback}
	jobs["callback"], jobs["callgrow"] = jobCallback, jobCallGrow
}
