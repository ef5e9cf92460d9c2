//go:build go1.23

package main

import (
	"iter"
	"sync/atomic"
)

func blockingSeq(yield func(int) bool) {
	if yield(1) {
		atomic.AddInt32(&blocked, 1)
		<-never
	}
}

func coroutines() {
	next, _ := iter.Pull(blockingSeq)
	next()
	keep = append(keep, next) // its goroutine waits as a coroutine
	state(func() {            // blocked inside the other side
		next, _ := iter.Pull(blockingSeq)
		next()
		next()
	})
	state(func() { // in the body of a range over a function
		for v := range blockingSeq {
			_ = v
			defer deferred()
			<-never
		}
	})
}

func init() { more = append(more, coroutines) }
