// standstill: what goes wrong between goroutines over time, each at a command, beside what is healthy.
//
//	deadlock   two goroutines lock two mutexes crosswise; answers their ids
//	livelock   two goroutines that give way to each other forever; answers their ids
//	progress   the same, but each gets its second lock now and then
//	writer     a reader that stays, a writer, and readers behind it; answers the ids of reader and writer
//	starve     a lock that is not fair: one waits while two others pass it on; answers the id of who waits
//	busy       goroutines that fight for locks as fast as they can
//	idle       workers that wait for work
package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"targets/lib"
)

var (
	a, b, c, d, first, second sync.Mutex
	books                     sync.RWMutex
	hot                       [4]sync.Mutex
	table                     sync.RWMutex
	work                      = make(chan int)
	sink                      int64
	got                       int64
)

func goid() uint64 {
	var buf [64]byte
	id, _ := strconv.ParseUint(strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1], 10, 64)
	return id
}

// start runs f in a goroutine and returns its id.
func start(f func()) uint64 {
	id := make(chan uint64)
	go func() { id <- goid(); f() }()
	return <-id
}

//go:noinline
func cross(x, y *sync.Mutex, both *sync.WaitGroup) {
	x.Lock()
	defer x.Unlock()
	both.Done()
	both.Wait()
	y.Lock()
	atomic.AddInt64(&sink, 1)
	y.Unlock()
}

func deadlock([]string) (string, error) {
	var both sync.WaitGroup
	both.Add(2)
	return fmt.Sprint(start(func() { cross(&a, &b, &both) }), start(func() { cross(&b, &a, &both) })), nil
}

// polite gives its own lock back when the other's is taken, which it always is: the other does the same.
//
//go:noinline
func polite(mine, other *sync.Mutex, meet func()) {
	for {
		mine.Lock()
		meet()
		if other.TryLock() {
			atomic.AddInt64(&got, 1)
			time.Sleep(5 * time.Millisecond)
			other.Unlock()
			mine.Unlock()
			continue
		}
		meet()
		mine.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// meeting returns when two have come, so that both hold their first lock whenever one tries the other.
func meeting() func() {
	var n int64
	return func() {
		until := (atomic.AddInt64(&n, 1) + 1) / 2 * 2
		for atomic.LoadInt64(&n) < until {
			time.Sleep(time.Millisecond)
		}
	}
}

func livelock([]string) (string, error) {
	meet := meeting()
	return fmt.Sprint(start(func() { polite(&c, &d, meet) }), start(func() { polite(&d, &c, meet) })), nil
}

func progress([]string) (string, error) {
	pause := func() { time.Sleep(2 * time.Millisecond) }
	late := func() { time.Sleep(3 * time.Millisecond) }
	return fmt.Sprint(start(func() { polite(&first, &second, pause) }), start(func() { polite(&second, &first, late) })), nil
}

func writer([]string) (string, error) {
	reader := start(func() { books.RLock(); time.Sleep(time.Hour); books.RUnlock() })
	time.Sleep(20 * time.Millisecond)
	one := start(func() { books.Lock(); atomic.AddInt64(&sink, 1); books.Unlock() })
	time.Sleep(20 * time.Millisecond)
	for i := 0; i < 3; i++ {
		start(func() { books.RLock(); atomic.AddInt64(&sink, 1); books.RUnlock() })
	}
	return fmt.Sprint(reader, one), nil
}

// The lock goes round in a queue of many who keep it long: who has just come waits for all of them.
func starve([]string) (string, error) {
	var slow sync.Mutex
	for i := 0; i < 40; i++ {
		start(func() {
			for {
				slow.Lock()
				time.Sleep(60 * time.Millisecond)
				slow.Unlock()
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	return fmt.Sprint(start(func() { slow.Lock(); atomic.AddInt64(&sink, 1); slow.Unlock() })), nil
}

func busy([]string) (string, error) {
	for i := 0; i < 24; i++ {
		i := i
		start(func() {
			for n := i; ; n++ {
				x, y := &hot[n%2], &hot[2+n%2]
				x.Lock()
				y.Lock()
				atomic.AddInt64(&sink, 1)
				y.Unlock()
				x.Unlock()
				table.RLock()
				runtime.Gosched()
				table.RUnlock()
				if n%16 == 0 {
					table.Lock()
					atomic.AddInt64(&sink, 1)
					table.Unlock()
				}
			}
		})
	}
	return "", nil
}

func idle([]string) (string, error) {
	for i := 0; i < 20; i++ {
		start(func() {
			for n := range work {
				atomic.AddInt64(&sink, int64(n))
			}
		})
	}
	return "", nil
}

func main() {
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"deadlock": deadlock, "livelock": livelock, "progress": progress,
		"writer": writer, "starve": starve, "busy": busy, "idle": idle,
		"got": func([]string) (string, error) { return fmt.Sprint(atomic.LoadInt64(&got)), nil }})
}
