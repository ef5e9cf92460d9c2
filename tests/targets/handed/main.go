// handed: locks whose release was handed on, in many ways, to goroutines whose code cannot be followed: whoever took them has
// ended.  Nobody may say of one of them that it was left.  Beside them one that was.
//
//	HELD name address    somebody will release it
//	LEFT name address    nobody will
package main

import (
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"targets/lib"
)

var (
	static, called, stored, tabled sync.Mutex
	left                           sync.Mutex
	kept                           func()
	table                          = map[string]func(){"static": releaseTabled}
	takers                         = map[string]func(*guarded){"release": releaseGuarded}
	gate                           = make(chan bool)
	sink                           int
)

type guarded struct {
	id int
	mu sync.Mutex
}

type both struct {
	id int
	sync.Mutex
}

type through struct {
	id int
	l  sync.Locker
}

func releaseTabled()            { tabled.Unlock() }
func releaseGuarded(g *guarded) { g.mu.Unlock() }

// unknown calls something that nobody can follow, before it goes on.
//
//go:noinline
func unknown(name string) {
	if f := others[name]; f != nil {
		f(len(name))
	}
	<-gate
}

var others = map[string]func(int){}

func init() {
	for i := 0; i < 40; i++ {
		name := fmt.Sprint("f", i)
		others[name] = func(n int) {
			if n > i {
				sink += n
			}
			if f := others[name[:1]]; f != nil {
				f(n)
			}
		}
	}
}

// long is more code than anybody would follow: so what comes behind it is not seen.
//
//go:noinline
func long(n int) {
	for i := 0; i < n; i++ {
		for k, f := range others {
			if len(k)%(i+1) == 0 {
				f(i)
			}
		}
	}
}

func wait(l sync.Locker) {
	go func() { l.Lock(); sink++; l.Unlock() }()
}

func held(name string, l *sync.Mutex) {
	wait(l)
	fmt.Printf("HELD %s %#x\n", name, uintptr(unsafe.Pointer(l)))
}

func ended(f func()) {
	done := make(chan bool)
	go func() { defer close(done); f() }()
	<-done
}

//go:noinline
func closures() {
	g := &guarded{}
	c := make(chan func(), 1)
	ended(func() { g.mu.Lock(); c <- func() { g.mu.Unlock() } })
	go func() { unknown("a"); f := <-c; long(1); f() }()
	held("closure in a channel", &g.mu)

	h := &guarded{}
	ended(func() { h.mu.Lock(); kept = h.mu.Unlock })
	go func() { unknown("b"); kept() }()
	held("method value in a variable", &h.mu)

	ended(func() { stored.Lock() })
	f := func() { stored.Unlock() }
	go func() { unknown("c"); f() }()
	held("function of a variable", &stored)

	ended(func() { tabled.Lock() })
	go func() { unknown("d"); table["static"]() }()
	held("function in a table", &tabled)

	i := &guarded{}
	ended(func() { i.mu.Lock() })
	go func() { unknown("e"); takers["release"](i) }()
	held("function that takes it, in a table", &i.mu)

}

func timers() {
	g := &guarded{}
	ended(func() { g.mu.Lock(); time.AfterFunc(time.Hour, g.mu.Unlock) })
	held("timer", &g.mu)
}

//go:noinline
func interfaces() {
	g := &both{}
	c := make(chan sync.Locker, 1)
	ended(func() { g.Lock(); c <- g })
	go func() { unknown("f"); l := <-c; long(1); l.Unlock() }()
	held("interface in a channel", &g.Mutex)

	h := &guarded{}
	t := &through{l: &h.mu}
	ended(func() { t.l.Lock() })
	go func() { unknown("g"); t.l.Unlock() }()
	held("interface in an object", &h.mu)
}

//go:noinline
func plain() {
	ended(func() { static.Lock() })
	go func() { unknown("h"); long(3); static.Unlock() }()
	held("code behind much code", &static)

	ended(func() { called.Lock() })
	go func() { unknown("i"); defer long(3); releaseCalled() }()
	held("function that is called", &called)

	g := &guarded{}
	ended(func() { g.mu.Lock() })
	go func(g **guarded) { unknown("j"); long(1); (*g).mu.Unlock() }(&g)
	held("variable that is shared", &g.mu)

	h := &guarded{}
	go func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		unknown("k")
		long(3)
	}()
	lib.Settle(nil)
	held("deferred", &h.mu)
}

// abandon is the only one that nobody makes up for.
//
//go:noinline
func abandon() {
	ended(func() { left.Lock() })
	go func() { left.Lock(); sink++; left.Unlock() }()
	fmt.Printf("LEFT left %#x\n", uintptr(unsafe.Pointer(&left)))
	g := &guarded{}
	ended(func() { g.mu.Lock() })
	go func() { g.mu.Lock(); sink++; g.mu.Unlock() }()
	fmt.Printf("LEFT left on the heap %#x\n", uintptr(unsafe.Pointer(&g.mu)))
}

//go:noinline
func releaseCalled() { called.Unlock() }

func main() {
	closures()
	interfaces()
	plain()
	abandon()
	if len(os.Args) > 1 && os.Args[1] == "timers" {
		timers()
	}
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
