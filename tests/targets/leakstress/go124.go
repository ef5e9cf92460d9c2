//go:build go1.24

package main

import (
	"iter"
	"runtime"
	"weak"
)

func more() {
	add("coroutines", coroutine)
	add("cleanups", cleanup)
}

// The stack of a coroutine alone leads to the channel.
func coroutine(n int) {
	ch := make(chan int)
	next, stop := iter.Pull(func(yield func(int) bool) {
		c := make(chan int)
		go func() { c <- 1 }()
		if yield(1) {
			ch <- <-c
			yield(2)
		}
	})
	go func() { next(); next(); stop() }()
	<-ch
}

// A cleanup closes it, when only a weak pointer is left.
func cleanup(n int) {
	ch := make(chan int)
	w := weak.Make(cleaned(ch))
	<-ch
	for w.Value() != nil {
		runtime.Gosched()
	}
}

//go:noinline
func cleaned(ch chan int) *finalized {
	f := new(finalized)
	runtime.AddCleanup(f, func(c chan int) { close(c) }, ch)
	return f
}
