// coroutines: iter.Pull in every state. Each function is a goroutine, or has the coroutine, that the
// test knows by it.
package main

import (
	"iter"
	"runtime"
	"sync"

	"targets/lib"
)

var (
	never         = make(chan int)
	mu            sync.Mutex
	keepStarted   func() (int, bool)
	keepUnstarted func() (int, bool)
)

// numbers of its own for each caller, so that their coroutines have different functions.
//
//go:noinline
func upTo(n int, yield func(int) bool) {
	for i := 0; i < n; i++ {
		if !yield(i) {
			return
		}
	}
}

func lost(yield func(int) bool)    { upTo(5, yield) }
func kept(yield func(int) bool)    { upTo(6, yield) }
func held(yield func(int) bool)    { upTo(7, yield) }
func unready(yield func(int) bool) { upTo(8, yield) }

func blocks(yield func(int) bool) {
	yield(1)
	<-never
}

func locks(yield func(int) bool) {
	yield(1)
	mu.Lock()
	mu.Unlock()
}

//go:noinline
func abandon() {
	next, _ := iter.Pull(iter.Seq[int](lost))
	next()
}

//go:noinline
func neverStart() {
	next, stop := iter.Pull(iter.Seq[int](unready))
	_, _ = next, stop
}

//go:noinline
func waitsForBlocked() {
	next, stop := iter.Pull(iter.Seq[int](blocks))
	defer stop()
	next()
	next()
}

//go:noinline
func waitsForLock() {
	mu.Lock()
	defer mu.Unlock()
	next, stop := iter.Pull(iter.Seq[int](locks))
	defer stop()
	next()
	next()
}

//go:noinline
func holds() {
	next, stop := iter.Pull(iter.Seq[int](held))
	defer stop()
	next()
	<-never
}

//go:noinline
func helps(c chan int) { <-c }

// The runtime takes who waits for a coroutine to go on some day, and so whom it would help then.
//
//go:noinline
func waitsForLost() {
	own, help := make(chan int), make(chan int)
	go helps(help)
	next, _ := iter.Pull(func(yield func(int) bool) {
		<-own
		yield(1)
	})
	next()
	help <- 1
	own <- 1
}

func main() {
	for i := 0; i < 3; i++ {
		abandon()
	}
	neverStart()
	keepStarted, _ = iter.Pull(iter.Seq[int](kept))
	keepStarted()
	keepUnstarted, _ = iter.Pull(iter.Seq[int](kept))
	go waitsForBlocked()
	go waitsForLock()
	go holds()
	go waitsForLost()
	lib.Settle(nil)
	runtime.GC() // what registers and old stacks still had is gone
	lib.Ready()
	lib.Commands(nil)
	keepStarted()
	keepUnstarted()
}
