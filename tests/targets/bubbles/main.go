//go:build go1.25

// Bubbles need timer channels as modules of Go 1.23 and later have them.
//go:debug asynctimerchan=0

// bubbles: a synctest bubble whose clock stands still, because one of its goroutines is in a system
// call.  What waits in it will go on by the bubble's timers, but for one that nothing can wake.
package main

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"targets/lib"
)

//go:noinline
func byChannel() { <-time.After(time.Hour) }

//go:noinline
func byContext() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	<-ctx.Done()
}

//go:noinline
func byClosure() {
	c := make(chan int)
	time.AfterFunc(time.Minute, func() { close(c) })
	<-c
}

//go:noinline
func byGroup() {
	var group sync.WaitGroup
	group.Add(1)
	time.AfterFunc(time.Minute, group.Done)
	group.Wait()
}

//go:noinline
func byNobody() { <-make(chan int) }

func bubble(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		for _, f := range []func(){byChannel, byContext, byClosure, byGroup, byNobody} {
			go f()
		}
		synctest.Wait()
		lib.Ready()
		syscall.Read(0, make([]byte, 1))
		os.Exit(0)
	})
}

func main() {
	all := func(_, _ string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "bubble", F: bubble}}, nil, nil)
}
