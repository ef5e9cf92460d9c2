// faults: has, on command, the faults that doctor and watch look for, and healthy things that look alike.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"targets/lib"
)

var (
	sendTo  = make(chan int)
	never   = make(chan struct{})
	release = make(chan struct{})
	ledger  sync.Mutex
	wg      sync.WaitGroup
	keep    []*time.Timer
	hoard   []byte
	sink    uint64
)

//go:noinline
func sender() { sendTo <- 1 }

//go:noinline
func receiver() { <-release }

//go:noinline
func nilReceiver() {
	var c chan int
	<-c
}

//go:noinline
func locker() {
	ledger.Lock()
	defer ledger.Unlock()
}

//go:noinline
func holder() {
	ledger.Lock()
	<-never
}

//go:noinline
func waiter() { wg.Wait() }

//go:noinline
func reader(fd int) {
	var b [1]byte
	syscall.Read(fd, b[:])
}

//go:noinline
func spinner() {
	for {
		sink++
	}
}

func start(n int, f func()) {
	for i := 0; i < n; i++ {
		go f()
	}
}

// grow starts `each` receivers every 10 ms until there are n.
func grow(n, each int, f func()) {
	for i := 0; i < n; i += each {
		start(each, f)
		time.Sleep(10 * time.Millisecond)
	}
}

func number(args []string, i int) (int, error) {
	if i >= len(args) {
		return 0, fmt.Errorf("a number is missing")
	}
	return strconv.Atoi(args[i])
}

// many makes a command of something that is done n times; it answers when all of them have blocked.
func many(do func(n int)) lib.Handler {
	return func(args []string) (string, error) {
		n, err := number(args, 0)
		if err == nil {
			do(n)
			lib.Settle(nil)
		}
		return strconv.Itoa(runtime.NumGoroutine()), err
	}
}

func spin(args []string) (string, error) {
	n, err := number(args, 0)
	start(n, spinner)
	return "", err
}

func pace(f func()) lib.Handler {
	return func(args []string) (string, error) {
		n, err := number(args, 0)
		if err != nil {
			return "", err
		}
		each, err := number(args, 1)
		if err == nil {
			go grow(n, each, f)
		}
		return "", err
	}
}

func readers(n int) {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		panic(err)
	}
	for i := 0; i < n; i++ {
		go reader(ends[0])
	}
}

func main() {
	lib.Dumps()
	wg.Add(1)
	handlers := map[string]lib.Handler{
		"send":    many(func(n int) { start(n, sender) }),
		"receive": many(func(n int) { start(n, receiver) }),
		"nil":     many(func(n int) { start(n, nilReceiver) }),
		"wait":    many(func(n int) { start(n, waiter) }),
		"spin":    spin,
		"read":    many(readers),
		"lock": many(func(n int) {
			go holder()
			lib.Settle(nil)
			start(n, locker)
		}),
		"timers": many(func(n int) {
			for i := 0; i < n; i++ {
				keep = append(keep, time.AfterFunc(time.Hour, func() {}))
			}
		}),
		"hoard": many(func(n int) { hoard = make([]byte, n<<20) }),
		"leak":  pace(sender),
		"storm": pace(receiver),
		"release": func([]string) (string, error) {
			close(release)
			release = make(chan struct{})
			return "", nil
		},
		"gc": func([]string) (string, error) {
			runtime.GC()
			return "", nil
		},
		"count": func([]string) (string, error) { return strconv.Itoa(runtime.NumGoroutine()), nil },
		"exec": func([]string) (string, error) {
			return "", syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, os.Environ())
		},
		"panic": func([]string) (string, error) {
			go func() { panic("as asked") }()
			return "", nil
		},
	}
	lib.Ready()
	lib.Commands(handlers)
}
