package main

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync"
	"syscall"
)

func labelled(name string) context.Context {
	return pprof.WithLabels(context.Background(), pprof.Labels("job", name))
}

//go:noinline
func dying(how string) {
	switch how {
	case "panic":
		panic(fmt.Errorf("on purpose"))
	case "nil":
		sink += faulting(keepNil)
	case "fatal": // cannot be recovered
		var m sync.Mutex
		m.Unlock()
	case "nested":
		defer func() { panic("again") }()
		panic("once")
	}
}

// die ends the process in a goroutine of its own; "stuck" while it says so, because nobody reads that.
func die(args []string) (string, error) {
	if len(args) > 1 {
		var fds [2]int
		if err := syscall.Pipe(fds[:]); err != nil {
			return "", err
		}
		full := make([]byte, 4096)
		syscall.SetNonblock(fds[1], true)
		for n := len(full); n > 0; {
			if _, err := syscall.Write(fds[1], full[:n]); err != nil {
				n /= 2
			}
		}
		syscall.SetNonblock(fds[1], false)
		if err := syscall.Dup3(fds[1], 2, 0); err != nil {
			return "", err
		}
	}
	go func() {
		defer deferred(1)
		dying(args[0])
	}()
	return "", nil
}
