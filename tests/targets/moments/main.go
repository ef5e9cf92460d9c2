// moments: does one thing at a time, on command, so that a test knows what it was doing at the moment
// of a snapshot: calls a function with known arguments, collects garbage of known size, names a thread.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"targets/lib"
)

// Item is what the heap holds: a known number of them live, a known number are garbage.
type Item struct {
	Next *Item
	Pad  [14]uint64
}

var (
	// Turn is the argument of the call that is being made.
	Turn  int64
	done  int64
	items *Item
	spun  uint64
)

//go:noinline
func step(turn int, word string) int {
	atomic.AddInt64(&done, 1)
	return turn + len(word)
}

//go:noinline
func walk(n int) {
	for i := 1; i <= n; i++ {
		atomic.StoreInt64(&Turn, int64(i))
		step(i, "turn "+strconv.Itoa(i))
	}
}

//go:noinline
func collect() { runtime.GC() }

//go:noinline
func litter(live, dead int) {
	for i := 0; i < live; i++ {
		items = &Item{Next: items}
	}
	var lost *Item
	for i := 0; i < dead; i++ {
		lost = &Item{Next: lost}
	}
	runtime.KeepAlive(lost)
}

// Names its thread: what the kernel does with it can be seen from outside.
//
//go:noinline
func name(b *[16]byte) syscall.Errno {
	_, _, e := syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_NAME, uintptr(unsafe.Pointer(b)), 0)
	return e
}

//go:noinline
func spin() {
	for {
		atomic.AddUint64(&spun, 1)
	}
}

var release = make(chan struct{})

//go:noinline
func park(until chan struct{}) { <-until }

// What a call of step() and a system call take, in ns.
func rate(n int) string {
	start := time.Now()
	for i := 0; i < n; i++ {
		step(i, "")
	}
	calls := time.Since(start)
	start = time.Now()
	for i := 0; i < n; i++ {
		syscall.Getppid()
	}
	return fmt.Sprintf("%.1f %.1f", float64(calls)/float64(n), float64(time.Since(start))/float64(n))
}

func number(args []string, i int) int {
	n, err := strconv.Atoi(args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func stats() runtime.MemStats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

func main() {
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"walk":    func(a []string) (string, error) { walk(number(a, 0)); return "", nil },
		"rate":    func(a []string) (string, error) { return rate(number(a, 0)), nil },
		"done":    func(a []string) (string, error) { return strconv.FormatInt(atomic.LoadInt64(&done), 10), nil },
		"collect": func(a []string) (string, error) { collect(); return "", nil },
		"cycles":  func(a []string) (string, error) { m := stats(); return strconv.Itoa(int(m.NumGC)), nil },
		"litter":  func(a []string) (string, error) { litter(number(a, 0), number(a, 1)); return "", nil },
		"spin":    func(a []string) (string, error) { go spin(); return "", nil },
		"park": func(a []string) (string, error) {
			for i := 0; i < number(a, 0); i++ {
				go park(release)
			}
			return "", nil
		},
		"release": func(a []string) (string, error) {
			close(release)
			release = make(chan struct{})
			time.Sleep(20 * time.Millisecond) // so that who looks now and then sees it, too
			return "", nil
		},
		"count": func(a []string) (string, error) { return strconv.Itoa(runtime.NumGoroutine()), nil },
		"name": func(a []string) (string, error) {
			var b [16]byte
			copy(b[:15], a[0])
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if e := name(&b); e != 0 {
				return "", e
			}
			return strconv.Itoa(syscall.Gettid()), nil
		},
		"become": func(a []string) (string, error) { return "", syscall.Exec("/proc/self/exe", os.Args, os.Environ()) },
		"end":    func(a []string) (string, error) { os.Exit(0); return "", nil },
	})
}
