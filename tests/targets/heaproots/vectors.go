package main

import (
	"math"
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"

	"targets/heaproots/vec"
)

// ---- pointers that only a vector register has ----

var (
	release uint32
	sum     float64
)

// A float64 that small is its bits times a constant, so adding two halves of an address makes the
// address, in a register that integers never saw.  From 1.27 on the collector looks there.
//
//go:noinline
func spinWithVector(half float64) {
	full, n := half+half, 0.0
	atomic.AddInt32(&parked, 1)
	for atomic.LoadUint32(&release) == 0 {
		n += full
	}
	sum += n + full
}

//go:noinline
func halfOf(name string) float64 {
	return math.Float64frombits(uint64(uintptr(unsafe.Pointer(newLeaf(name)))) >> 1)
}

// vectors: two goroutines take turns, so one of them is always stopped by a signal.
func vectors() {
	runtime.GOMAXPROCS(1)
	for i := 0; i < 2; i++ {
		half := halfOf("vector_" + strconv.Itoa(i))
		start(func() { spinWithVector(half) })
	}
}

var held unsafe.Pointer

//go:noinline
func holdInVector() {
	l := newLeaf("vector_held")
	atomic.AddInt32(&parked, 1)
	p := vec.Hold(unsafe.Pointer(l), &release)
	atomic.StorePointer(&held, p)
}

// heldVector lets the goroutine end that is in assembler, and returns the pointer that it had.
func heldVector([]string) (string, error) {
	atomic.StoreUint32(&release, 1)
	for atomic.LoadPointer(&held) == nil {
		runtime.Gosched()
	}
	return strconv.FormatUint(uint64(uintptr(atomic.LoadPointer(&held))), 10), nil
}
