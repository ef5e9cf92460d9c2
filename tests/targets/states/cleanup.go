//go:build go1.24

package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

func cleanups() {
	func() {
		p := &struct{ a [4]*int }{}
		runtime.AddCleanup(p, func(int) {
			atomic.AddInt32(&blocked, 1)
			<-never
		}, 1)
	}()
	// before 1.25 the goroutine of finalizers, which is blocked, runs cleanups, too
	if runtime.Version() < "go1.25" {
		return
	}
	before := atomic.LoadInt32(&blocked)
	for atomic.LoadInt32(&blocked) == before {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func init() { more = append(more, cleanups) }
