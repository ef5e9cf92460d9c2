//go:build go1.24

package main

import (
	"runtime"
	"time"
	"weak"
)

var cleaned *holder

// A cleanup, and a weak pointer beside a strong one.
func extra() {
	done := make(chan int)
	cleaned = &holder{name: "cleaned"}
	runtime.AddCleanup(cleaned, func(c chan int) { close(c) }, done)
	start("cleanup", false, func() { <-done })
	later(func() {
		cleaned = nil
		for i := 0; i < 3; i++ {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	})
	h := &holder{ch: make(chan int)}
	w := weak.Make(h)
	start("weak pointer", true, func() { <-h.ch })
	later(func() {
		if v := w.Value(); v != nil {
			_ = v.name
		}
	})
}
