// Copies: locks that were copied, which go vet would say of the source, and healthy code that looks
// alike.
//
//	copies group     a WaitGroup passed by value to goroutines that live
//	copies mutex     a value receiver that locks its copy of a locked Mutex
//	copies ended     a WaitGroup passed by value to goroutines that have ended
//	copies cond      a Cond that was copied after it had been used: the panic is in flight
//	copies second    the same of a struct with a Mutex before the WaitGroup
//	copies healthy   by value while nobody holds it or waits; by pointer, with waiters
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"

	"targets/lib"
)

//go:noinline
func goid() int64 {
	var b [64]byte
	f := bytes.Fields(b[:runtime.Stack(b[:], false)])
	v, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return v
}

var (
	never = make(chan struct{})
	ids   = make(chan int64)
	total int
	point *account
)

//go:noinline
func worker(wg sync.WaitGroup, n int) {
	defer wg.Done()
	ids <- goid()
	<-never
	total += n
}

func tell(kind string, id int64) { fmt.Println(kind, id) }

func group() {
	var wg sync.WaitGroup
	wg.Add(2)
	for i := 0; i < 2; i++ {
		go worker(wg, i)
		tell("COPY", <-ids)
	}
	go func() { ids <- goid(); wg.Wait() }()
	tell("WAITS", <-ids)
}

type shift struct {
	mu   sync.Mutex
	name string
	wg   sync.WaitGroup
}

//go:noinline
func onShift(s shift, n int) {
	defer s.wg.Done()
	ids <- goid()
	<-never
	total += n + len(s.name)
}

func second() {
	s := new(shift)
	s.wg.Add(2)
	for i := 0; i < 2; i++ {
		go onShift(*s, i)
		tell("COPY", <-ids)
	}
	go func() { ids <- goid(); s.wg.Wait() }()
	tell("WAITS", <-ids)
}

type account struct {
	name  string
	inner struct {
		pad [2]int
		mu  sync.Mutex
	}
	n int
}

//go:noinline
func (a account) sum() int {
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	total += len(a.name)
	return a.n + total
}

//go:noinline
func locked(a *account) {
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	ids <- goid()
	total += a.sum()
}

func mutex() {
	point = &account{name: "a"}
	go locked(point)
	tell("WAITS", <-ids)
}

//go:noinline
func short(wg sync.WaitGroup, done chan bool) {
	wg.Done()
	done <- true
}

func ended() {
	var wg sync.WaitGroup
	done := make(chan bool)
	wg.Add(2)
	for i := 0; i < 2; i++ {
		go short(wg, done)
		<-done
	}
	go func() { ids <- goid(); wg.Wait() }()
	tell("WAITS", <-ids)
}

func cond() {
	var mu sync.Mutex
	c := sync.NewCond(&mu)
	c.Signal()
	go func() {
		defer func() { ids <- goid(); <-never }()
		copied := *c
		copied.Signal()
	}()
	tell("PANICS", <-ids)
}

//go:noinline
func byPointer(a *account) {
	ids <- goid()
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	total++
}

//go:noinline
func keeper(a *account, wg *sync.WaitGroup) {
	defer wg.Done()
	a.inner.mu.Lock()
	defer a.inner.mu.Unlock()
	ids <- goid()
	<-never
	total++
}

//go:noinline
func idle(wg sync.WaitGroup) {
	ids <- goid()
	<-never
	wg.Wait()
}

func healthy() {
	var wg, unused sync.WaitGroup
	point = &account{name: "a"}
	total += point.sum() // a copy, but nobody holds it
	wg.Add(1)
	go keeper(point, &wg)
	<-ids
	go byPointer(point)
	<-ids
	go idle(unused)
	<-ids
	go func() { ids <- goid(); wg.Wait() }()
	<-ids
}

func main() {
	runs := map[string]func(){"group": group, "second": second, "mutex": mutex, "ended": ended, "cond": cond, "healthy": healthy}
	runs[os.Args[1]]()
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
