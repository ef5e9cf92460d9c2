// deadlocks: circles of goroutines that wait for each other through package-level variables and a
// map, so that the runtime's own profile cannot call them leaked, beside goroutines that only look
// like that.  Each circle says which goroutines are in it.
//
//	CIRCLE class id,id,...      in the order in which they wait for each other
//	BEHIND class n              goroutines that wait for that circle
//	LEFT name id,...            who waits for what nobody will release
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"targets/lib"
)

var (
	a, b       sync.Mutex
	x, y, z    sync.Mutex
	double     sync.Mutex
	upgrade    sync.RWMutex
	rwr        sync.RWMutex
	table      = map[string]*sync.Mutex{"left": {}, "right": {}}
	busy, idle sync.Mutex
	abandoned  sync.Mutex
	never      sync.WaitGroup
	sink       int
)

func goid() uint64 {
	var buf [64]byte
	id, _ := strconv.ParseUint(strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1], 10, 64)
	return id
}

// start runs f in a goroutine, which says its id, and lets it get as far as it will.
func start(f func()) uint64 {
	id := make(chan uint64)
	go func() {
		id <- goid()
		f()
	}()
	defer lib.Settle(nil)
	return <-id
}

//go:noinline
func both(first, second *sync.Mutex, go_on chan bool) {
	first.Lock()
	defer first.Unlock()
	<-go_on
	second.Lock()
	sink++
	second.Unlock()
}

func circle(class string, locks ...*sync.Mutex) {
	var ids []string
	go_on := make(chan bool)
	for i := range locks {
		first, second := locks[i], locks[(i+1)%len(locks)]
		ids = append(ids, fmt.Sprint(start(func() { both(first, second, go_on) })))
	}
	close(go_on)
	lib.Settle(nil)
	fmt.Println("CIRCLE", class, strings.Join(ids, ","))
}

func behind(class string, n int, l sync.Locker) {
	for i := 0; i < n; i++ {
		go func() { l.Lock(); sink++; l.Unlock() }()
	}
	lib.Settle(nil)
	fmt.Println("BEHIND", class, n)
}

func alone() {
	fmt.Println("CIRCLE double-lock", start(func() { double.Lock(); double.Lock(); sink++; double.Unlock(); double.Unlock() }))
	fmt.Println("CIRCLE lock-upgrade", start(func() {
		upgrade.RLock()
		defer upgrade.RUnlock()
		upgrade.Lock()
		sink++
		upgrade.Unlock()
	}))
}

// A reader asks once more, behind a writer that came meanwhile.
func readers() {
	go_on := make(chan bool)
	reader := start(func() {
		rwr.RLock()
		defer rwr.RUnlock()
		<-go_on
		rwr.RLock()
		sink++
		rwr.RUnlock()
	})
	writer := start(func() { rwr.Lock(); sink++; rwr.Unlock() })
	close(go_on)
	lib.Settle(nil)
	fmt.Printf("CIRCLE RWR %d,%d\n", reader, writer)
}

// Long chains that end at somebody who sleeps, or reads a pipe: no deadlock.
func healthy() {
	start(func() { busy.Lock(); time.Sleep(time.Hour); busy.Unlock() })
	start(func() { idle.Lock(); defer idle.Unlock(); busy.Lock(); sink++; busy.Unlock() })
	for i := 0; i < 3; i++ {
		start(func() { idle.Lock(); sink++; idle.Unlock() })
	}
	var piped sync.Mutex
	r, w, _ := os.Pipe()
	start(func() { piped.Lock(); defer piped.Unlock(); r.Read(make([]byte, 1)) })
	start(func() { piped.Lock(); sink++; piped.Unlock() })
	runtime.KeepAlive(w)
	var read sync.RWMutex
	start(func() { read.RLock(); time.Sleep(time.Hour); read.RUnlock() })
	start(func() { read.Lock(); sink++; read.Unlock() })
	start(func() { read.RLock(); sink++; read.RUnlock() })
	var round sync.Mutex
	start(func() {
		for {
			round.Lock()
			time.Sleep(time.Hour)
			round.Unlock()
		}
	})
	start(func() { round.Lock(); sink++; round.Unlock() })
}

// Locked by a goroutine that ended, and a WaitGroup one of whose goroutines forgot.
func left() {
	start(func() { abandoned.Lock() })
	fmt.Println("LEFT main.abandoned", start(func() { abandoned.Lock(); sink++; abandoned.Unlock() }))
	never.Add(2)
	start(func() { never.Done() })
	start(func() {})
	fmt.Println("LEFT main.never", start(func() { never.Wait() }))
}

func main() {
	circle("AB-BA", &a, &b)
	behind("AB-BA", 3, &a)
	circle("AB-BA", &x, &y, &z)
	circle("AB-BA", table["left"], table["right"])
	alone()
	readers()
	healthy()
	if len(os.Args) > 1 && os.Args[1] == "left" {
		left()
	}
	lib.Ready()
	if len(os.Args) > 2 && os.Args[2] == "quiet" { // code that can be followed to its end
		syscall.Read(0, make([]byte, 1))
		os.Exit(0)
	}
	lib.Commands(nil)
}
