// taken: locks that were taken in many ways by goroutines which hold them still.  Each form holds the
// lock that its partner waits for, and waits for the one that its partner holds.  The line that took
// it, as the function's caller sees it, ends in a comment that says so.
package main

import (
	"os"
	"sync"
	"syscall"

	"targets/lib"
)

type account struct {
	name string
	mu   sync.Mutex
	rw   sync.RWMutex
	sum  int
}

type embedded struct {
	n int
	sync.Mutex
}

var (
	global, other, third sync.Mutex
	pointer              = new(sync.Mutex)
	shared               = &account{name: "shared"}
	table                = map[string]*account{"a": {}, "b": {}}
	sink                 int
)

//go:noinline
func plain(meet func()) {
	global.Lock() // TAKEN
	sink++
	meet()
	global.Unlock()
}

//go:noinline
func deferred(a *account, meet func()) {
	a.mu.Lock() // TAKEN
	defer a.mu.Unlock()
	sink++
	meet()
}

//go:noinline
func amongOthers(a, b *account, meet func()) {
	other.Lock()
	b.mu.Lock()
	a.mu.Lock() // TAKEN
	b.mu.Unlock()
	other.Unlock()
	meet()
	a.mu.Unlock()
}

//go:noinline
func again(a *account, meet func()) {
	a.mu.Lock()
	sink++
	a.mu.Unlock()
	sink++
	a.mu.Lock() // TAKEN
	meet()
	a.mu.Unlock()
}

//go:noinline
func inLoop(as []*account, meet func()) {
	for i, a := range as {
		a.mu.Lock() // TAKEN
		if i == 1 {
			meet()
		}
		a.mu.Unlock()
	}
}

//go:noinline
func (a *account) lock() { a.mu.Lock() }

//go:noinline
func (a *account) unlock() { a.mu.Unlock() }

//go:noinline
func byMethod(a *account, meet func()) {
	other.Lock()
	other.Unlock()
	a.lock() // TAKEN
	meet()
	a.unlock()
}

//go:noinline
func takeThird() { third.Lock() }

//go:noinline
func byHelper(meet func()) {
	takeThird() // TAKEN
	meet()
	third.Unlock()
}

//go:noinline
func byEmbedding(e *embedded, meet func()) {
	e.Lock() // TAKEN
	meet()
	e.Unlock()
}

//go:noinline
func byInterface(l sync.Locker, meet func()) {
	l.Lock() // TAKEN
	meet()
	l.Unlock()
}

//go:noinline
func reading(a *account, meet func()) {
	a.rw.RLock() // TAKEN
	meet()
	a.rw.RUnlock()
}

//go:noinline
func writing(a *account, meet func()) {
	a.rw.RLock()
	sink++
	a.rw.RUnlock()
	a.rw.Lock() // TAKEN
	defer a.rw.Unlock()
	meet()
}

//go:noinline
func through(meet func()) {
	pointer.Lock() // TAKEN
	meet()
	pointer.Unlock()
}

//go:noinline
func fromMap(key string, meet func()) {
	table[key].mu.Lock() // TAKEN
	meet()
	table[key].mu.Unlock()
}

//go:noinline
func field(meet func()) {
	shared.mu.Lock() // TAKEN
	defer func() { shared.mu.Unlock() }()
	meet()
}

//go:noinline
func released(a *account, meet func()) {
	meet()
	a.mu.Unlock()
}

//go:noinline
func forCallee(a *account, meet func()) {
	a.mu.Lock() // TAKEN
	sink++
	released(a, meet)
	sink++
}

//go:noinline
func inClosure(a *account, meet func()) {
	func() {
		a.mu.Lock() // TAKEN
		defer a.mu.Unlock()
		meet()
		sink++
	}()
	sink++
}

//go:noinline
func partner(lock, unlock func(), gate *sync.Mutex, ready chan bool) {
	gate.Lock()
	defer gate.Unlock()
	ready <- true
	lock()
	sink++
	unlock()
}

// pair lets a form and its partner wait for each other.
func pair(form func(meet func()), lock, unlock func()) {
	gate, held, both := new(sync.Mutex), make(chan bool), make(chan bool)
	go form(func() {
		held <- true
		<-both
		gate.Lock()
		sink++
		gate.Unlock()
	})
	<-held
	go partner(lock, unlock, gate, both)
	lib.Settle(nil)
}

func withAccount(form func(a *account, meet func())) {
	a := &account{}
	pair(func(meet func()) { form(a, meet) }, a.mu.Lock, a.mu.Unlock)
}

func main() {
	pair(plain, global.Lock, global.Unlock)
	for _, form := range []func(*account, func()){deferred, again, byMethod, forCallee, inClosure} {
		withAccount(form)
	}
	withAccount(func(a *account, meet func()) { amongOthers(a, &account{}, meet) })
	withAccount(func(a *account, meet func()) { inLoop([]*account{{}, a, {}}, meet) })
	withAccount(func(a *account, meet func()) { byInterface(&a.mu, meet) })
	pair(byHelper, third.Lock, third.Unlock)
	e := &embedded{}
	pair(func(meet func()) { byEmbedding(e, meet) }, e.Lock, e.Unlock)
	r, w := &account{}, &account{}
	pair(func(meet func()) { reading(r, meet) }, r.rw.Lock, r.rw.Unlock)
	pair(func(meet func()) { writing(w, meet) }, w.rw.Lock, w.rw.Unlock)
	pair(through, pointer.Lock, pointer.Unlock)
	pair(func(meet func()) { fromMap("b", meet) }, table["b"].mu.Lock, table["b"].mu.Unlock)
	pair(field, shared.mu.Lock, shared.mu.Unlock)
	lib.Ready()
	syscall.Read(0, make([]byte, 1)) // code that can be followed to its end
	os.Exit(0)
}
