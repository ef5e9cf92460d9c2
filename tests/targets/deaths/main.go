// Deaths: ends by a misuse of a channel or of package sync, named by the argument, when it gets
// SIGUSR1.
package main

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"targets/lib"
)

var (
	mu    sync.Mutex
	rw    sync.RWMutex
	group sync.WaitGroup
	never = make(chan struct{})
	c     = make(chan int)
)

//go:noinline
func unlock() { mu.Unlock() }

//go:noinline
func unlockWriter() { rw.Unlock() }

//go:noinline
func unlockReader() { rw.RUnlock() }

//go:noinline
func negative() { group.Done() }

//go:noinline
func closeNil() {
	var none chan int
	close(none)
}

//go:noinline
func closeTwice() {
	close(c)
	close(c)
}

//go:noinline
func closeAndWait() {
	close(c)
	<-never
}

//go:noinline
func sendClosed() {
	go closeAndWait()
	lib.Settle(nil)
	c <- 1
}

// Add while somebody waits, though there is nothing to wait for: what a race makes of it.
//
//go:noinline
func misuse() {
	*(*uint64)(unsafe.Pointer(&group)) = 1
	group.Add(1)
}

//go:noinline
func waiter() { group.Wait() }

// On one processor the waiter runs only after the next round has begun.
//
//go:noinline
func reuse() {
	runtime.GOMAXPROCS(1)
	group.Add(1)
	go waiter()
	lib.Settle(nil)
	group.Done()
	group.Add(1)
	<-never
}

//go:noinline
func copiedCond() {
	cond := sync.NewCond(&mu)
	cond.Signal()
	other := *cond
	other.Signal()
}

func main() {
	ends := map[string]func(){"unlock": unlock, "unlockWriter": unlockWriter, "unlockReader": unlockReader,
		"negative": negative, "closeNil": closeNil, "closeTwice": closeTwice, "sendClosed": sendClosed,
		"misuse": misuse, "reuse": reuse, "copiedCond": copiedCond}
	end := ends[os.Args[1]]
	now := make(chan os.Signal, 1)
	signal.Notify(now, syscall.SIGUSR1)
	go func() {
		<-now
		end()
	}()
	lib.Ready()
	lib.Commands(nil)
}
