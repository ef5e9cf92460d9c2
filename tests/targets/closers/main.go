// Closers: channels that are closed, a panic in flight about each, and what is true of who closed them:
//
//	CHANNEL name address sender line ...   a panic of goroutine `sender` is about it; the lines of this
//	                                       file whose close could have closed it
//	CLOSED name goroutine                  that goroutine is still alive, and it did it
//	WILL name goroutine                    that goroutine will close it once more
//	MAYBE name goroutine                   it did it, but its stack need not tell
//
// No CLOSED: the one that closed it has ended.
package main

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"time"

	"targets/lib"
)

//go:noinline
func goid() int64 {
	var b [64]byte
	f := bytes.Fields(b[:runtime.Stack(b[:], false)])
	v, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return v
}

//go:noinline
func line() int {
	_, _, n, _ := runtime.Caller(1)
	return n
}

type event struct{ n int }

var (
	ids    = make(chan int64)
	never  = make(chan struct{})
	lines  = map[string][]int{} // of closes, by situation
	guard  sync.Mutex
	sink   int
	global = make(chan [3]int)
	queue  = make(chan chan event, 4)
	yes    = true
)

// here notes the line of the close that stands one line below.
//
//go:noinline
func here(name string) {
	_, _, n, _ := runtime.Caller(1)
	guard.Lock()
	lines[name] = append(lines[name], n+1)
	guard.Unlock()
}

//go:noinline
func block() { ids <- goid(); <-never; sink++ }

//go:noinline
func fails(f func()) {
	defer func() { block() }()
	f()
}

func start(f func()) int64 {
	go f()
	return <-ids
}

func tell(name string, c interface{}, sender int64) {
	fmt.Printf("CHANNEL %s %x %d", name, reflect.ValueOf(c).Pointer(), sender)
	for _, n := range lines[name] {
		fmt.Print(" ", n)
	}
	fmt.Println()
}

func send(c chan event) func() { return func() { fails(func() { c <- event{1} }) } }

// A method that closes a field and then waits.
type service struct {
	name string
	quit chan event
	wg   sync.WaitGroup
}

//go:noinline
func (s *service) stop() {
	here("field")
	close(s.quit)
	block()
	s.wg.Wait()
}

func field() {
	s := &service{name: "s", quit: make(chan event)}
	g := start(s.stop)
	tell("field", s.quit, start(send(s.quit)))
	fmt.Println("CLOSED field", g)
}

// A function that returned.
type part struct {
	pad  [3]int
	done chan event
}

//go:noinline
func (p *part) shut() {
	here("helper")
	close(p.done)
	sink++
}

//go:noinline
func useHelper(p *part) {
	p.shut()
	block()
	sink += len(p.pad) + len(p.done)
}

func helper() {
	p := &part{done: make(chan event)}
	g := start(func() { useHelper(p) })
	tell("helper", p.done, start(send(p.done)))
	fmt.Println("CLOSED helper", g)
}

// A parameter that is used again.
//
//go:noinline
func closeParameter(c chan event) {
	here("parameter")
	close(c)
	block()
	sink += cap(c)
}

func parameter() {
	c := make(chan event)
	g := start(func() { closeParameter(c) })
	tell("parameter", c, start(send(c)))
	fmt.Println("CLOSED parameter", g)
}

// The same goroutine closes twice.
//
//go:noinline
func closeTwice(c chan event) {
	defer func() { block() }()
	here("twice")
	close(c)
	sink++
	close(c)
}

func twice() {
	c := make(chan event)
	g := start(func() { closeTwice(c) })
	tell("twice", c, g)
	fmt.Println("CLOSED twice", g)
}

// One closes and waits, another closes again.
func two() {
	p := &part{done: make(chan event)}
	g := start(func() { useHelper(p) })
	lines["two"] = lines["helper"]
	tell("two", p.done, start(func() { fails(func() { close(p.done) }) }))
	fmt.Println("CLOSED two", g)
}

// The one that closed a package-level variable has ended.
//
//go:noinline
func closeGlobal(done chan bool) {
	here("ended")
	close(global)
	done <- true
}

func ended() {
	done := make(chan bool)
	go closeGlobal(done)
	<-done
	tell("ended", global, start(func() { fails(func() { global <- [3]int{} }) }))
}

// A worker that closes what comes, and is not the one that closed what it has now.
//
//go:noinline
func worker() {
	for c := range queue {
		if cap(c) == 0 {
			block()
		}
		close(c)
	}
}

func decoy() {
	c := make(chan event)
	queue <- make(chan event, 1)
	queue <- make(chan event, 2)
	queue <- c
	start(worker)
	lines["decoy"] = nil
	done := make(chan bool)
	go func() {
		here("decoy")
		close(c)
		done <- true
	}()
	<-done
	tell("decoy", c, start(send(c)))
}

// Closed on one way only, by somebody who did not go it.
//
//go:noinline
func mayClose(c chan event, no bool) {
	if no {
		here("other")
		close(c)
	}
	block()
	sink += cap(c)
}

func notTaken() {
	c := make(chan event)
	start(func() { mayClose(c, !yes) })
	done := make(chan bool)
	go func() {
		here("not-taken")
		close(c)
		done <- true
	}()
	<-done
	tell("not-taken", c, start(send(c)))
}

// A deferred close that is pending.
//
//go:noinline
func willClose(c chan event) {
	defer close(c)
	block()
}

func again() {
	c := make(chan event)
	g := start(func() { willClose(c) })
	done := make(chan bool)
	go func() {
		here("again")
		close(c)
		done <- true
	}()
	<-done
	tell("again", c, start(send(c)))
	fmt.Println("WILL again", g)
}

// Nothing is kept of the channel, but what the call left.
//
//go:noinline
func closeAndForget(c chan event) {
	close(c)
	block()
}

func forgotten() {
	c := make(chan event)
	g := start(func() { closeAndForget(c) })
	tell("forgotten", c, start(send(c)))
	fmt.Println("MAYBE forgotten", g)
}

// A channel of a type that only one place closes.
type rare struct{ a, b, c int }

//go:noinline
func closeRare(c chan rare, done chan bool) {
	here("type")
	close(c)
	done <- true
}

func onlyType() {
	c, done := make(chan rare), make(chan bool)
	go closeRare(c, done)
	<-done
	tell("type", c, start(func() { fails(func() { c <- rare{} }) }))
}

func main() {
	for _, f := range []func(){field, helper, parameter, twice, two, ended, decoy, notTaken, again, onlyType, forgotten} {
		f()
	}
	time.Sleep(5 * time.Millisecond)
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
