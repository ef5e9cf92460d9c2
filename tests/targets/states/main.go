// states: goroutines in every state that a goroutine dump of the runtime itself can show, each started
// by a function that says what it is.  The dump (lib.Dumps) is the truth that tests compare with.
package main

import (
	"context"
	"net"
	"os"
	"reflect"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"targets/lib"
)

var (
	never    = make(chan int)       // nobody ever sends, receives or closes
	strings_ = make(chan string, 1) // full
	blocked  int32                  // goroutines that are where they want to be, or about to
	ints     chan int               // nil
	keep     []interface{}
)

// state starts a goroutine that will block for ever in f.
func state(f func()) {
	go func() {
		atomic.AddInt32(&blocked, 1)
		f()
	}()
}

func channels() {
	state(func() { <-never })
	state(func() { c := make(chan int); c <- 1 })
	state(func() { strings_ <- "x" })
	state(func() { <-ints })
	state(func() { ints <- 1 })
	state(func() { select {} })
	state(func() {
		other := make(chan string)
		select {
		case v := <-never:
			println(v)
		case other <- "a":
		case never <- 2:
		case <-ints:
		}
	})
	state(func() {
		for range never {
		}
	})
	state(func() { time.Sleep(time.Hour) })
	state(func() { <-time.After(time.Hour) })
	state(func() {
		select {
		case <-never:
		case <-time.NewTimer(time.Hour).C:
		}
	})
}

type guarded struct {
	sync.Mutex
	rw   sync.RWMutex
	wg   sync.WaitGroup
	once sync.Once
	cond *sync.Cond
}

func locks() {
	g := &guarded{}
	g.cond = sync.NewCond(&sync.Mutex{})
	keep = append(keep, g)
	g.Lock()
	g.rw.Lock()
	g.wg.Add(1)
	state(func() { g.Lock() })
	state(g.Lock) // a method value
	state(func() { g.rw.RLock() })
	state(func() { g.rw.Lock() })
	state(func() { g.wg.Wait() })
	state(func() { g.cond.L.Lock(); g.cond.Wait() })
	state(func() { g.once.Do(func() { <-never }) })
	runtime.Gosched()
	state(func() { g.once.Do(func() {}) })
}

func files() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	keep = append(keep, listener, client)
	state(func() { listener.Accept(); listener.Accept() })
	state(func() { client.Read(make([]byte, 1)) })
	state(func() { // a blocking system call
		var fds [2]int
		if err := syscall.Pipe(fds[:]); err != nil {
			panic(err)
		}
		syscall.Read(fds[0], make([]byte, 1))
	})
	r, w, _ := os.Pipe()
	keep = append(keep, w)
	state(func() { r.Read(make([]byte, 1)) })
}

func locked() {
	state(func() { runtime.LockOSThread(); <-never })
	state(func() {
		runtime.LockOSThread()
		var fds [2]int
		syscall.Pipe(fds[:])
		syscall.Read(fds[0], make([]byte, 1))
	})
}

// ---- shapes of stacks ----

//go:noinline
func recurse(n int) int {
	if n == 0 {
		return <-never
	}
	return recurse(n-1) + 1
}

func inlined1(c chan int) int { return inlined2(c) + 1 }
func inlined2(c chan int) int { return inlined3(c) + 1 }
func inlined3(c chan int) int { return <-c }

type shape interface{ wait(c chan int) int }
type value struct{ a, b, c int }
type embeds struct {
	pad int
	value
}
type pointer struct{ a int }

//go:noinline
func (v value) wait(c chan int) int { return v.a + <-c }

//go:noinline
func (p *pointer) wait(c chan int) int { return p.a + <-c }

//go:noinline
func through(s shape, c chan int) int { return s.wait(c) }

//go:noinline
func generic[T any](c chan T, more ...T) T {
	f := func() T { return <-c }
	return f()
}

type list[T any] struct{ c chan T }

func (l *list[T]) next() T { return <-l.c }

func stacks() {
	state(func() { recurse(40) })
	state(func() { recurse(95) })
	state(func() { inlined1(never) })
	state(func() { through(value{}, never) })
	state(func() { through(&value{}, never) })
	state(func() { through(embeds{}, never) })
	state(func() { through(&embeds{}, never) })
	state(func() { through(&pointer{}, never) })
	state(func() { generic(never, 1, 2) })
	state(func() { generic(make(chan string)) })
	state(func() { (&list[int]{never}).next() })
	state(func() { (&list[*int]{make(chan *int)}).next() })
	state(func() { reflect.ValueOf(recurse).Call([]reflect.Value{reflect.ValueOf(2)}) })
	state(func() {
		made := reflect.MakeFunc(reflect.TypeOf(recurse), func(in []reflect.Value) []reflect.Value {
			<-never
			return in
		}).Interface().(func(int) int)
		made(1)
	})
	state(func() { reflect.ValueOf(&pointer{}).MethodByName("wait"); bound() })
	go named(7, "x")
	time.AfterFunc(0, func() { atomic.AddInt32(&blocked, 1); <-never })
	state(func() { outer() })
}

func bound() {
	f := (&pointer{}).wait
	f(never)
}

func named(n int, s string) { // started by a go statement of its own
	atomic.AddInt32(&blocked, 1)
	<-never
}

func outer() {
	done := make(chan int)
	go func() {
		atomic.AddInt32(&blocked, 1)
		go func() {
			atomic.AddInt32(&blocked, 1)
			<-never
		}()
		<-never
	}()
	<-done
}

// ---- panics, deferred calls, ends ----

func deferred() { <-never }

//go:noinline
func nilPointer(p *pointer) int {
	defer deferred()
	return p.a
}

//go:noinline
func outOfRange(s []int, i int) int {
	defer deferred()
	return s[i]
}

func panics() {
	state(func() { defer deferred(); panic("on purpose") })
	state(func() { nilPointer(nil) })
	state(func() { outOfRange(nil, 3) })
	state(func() { defer deferred(); runtime.Goexit() })
	state(func() { // a panic inside a deferred call of a panic
		defer deferred()
		defer func() { panic("second") }()
		panic("first")
	})
	state(func() { // recovered, then blocked again
		defer func() {
			recover()
			<-never
		}()
		nilPointer2(nil)
	})
	state(func() { // wrappers that panic stay visible
		defer deferred()
		var v *value
		through(v, never)
	})
}

//go:noinline
func nilPointer2(p *pointer) int { return p.a }

func labels() {
	pprof.Do(context.Background(), pprof.Labels("job", "import", "tenant", "a b"), func(ctx context.Context) {
		state(func() { <-never })
		pprof.Do(ctx, pprof.Labels("job", "export"), func(context.Context) {
			state(func() { <-never })
		})
	})
	many := []string{}
	for i := 0; i < 20; i++ {
		many = append(many, "key"+string(rune('a'+i)), "value"+string(rune('A'+i)))
	}
	pprof.Do(context.Background(), pprof.Labels(many...), func(context.Context) {
		state(func() { <-never })
	})
}

func finalizers() {
	type big struct{ a [4]*int }
	for i := 0; i < 1; i++ {
		b := &big{}
		runtime.SetFinalizer(b, func(*big) {
			atomic.AddInt32(&blocked, 1)
			<-never
		})
	}
	before := atomic.LoadInt32(&blocked)
	for atomic.LoadInt32(&blocked) == before {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

// more is filled by files for newer releases.
var more []func()

func main() {
	lib.Dumps()
	strings_ <- "full"
	for _, f := range append([]func(){channels, locks, files, locked, stacks, panics, labels, finalizers}, more...) {
		f()
	}
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
