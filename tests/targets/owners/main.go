// Owners is a program that knows who holds what: each situation is a way to hold a lock (or to be the
// one who will end a wait), with its goroutine blocked in the middle, and says which goroutines these
// are:
//
//	EXPECT name kind address goroutine ...
//
// kind: mutex, write and read (of an RWMutex), group, cond, send, close, again (a goroutine that waits
// for what it holds itself).  No goroutine in a line: nobody will.
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

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
	ids  = make(chan int64)
	stop = make(chan bool) // nothing is ever sent
	sink int64
	keep []interface{}
)

//go:noinline
func announce() { ids <- goid() }

//go:noinline
func work() { <-stop; sink++ }

func settle() { lib.Settle(nil, "main.(*res).spin") }

// spawn starts f, which announces itself, and waits until nothing moves any more.
func spawn(f func()) int64 {
	go f()
	id := <-ids
	settle()
	return id
}

func expect(name, kind string, p unsafe.Pointer, goroutines ...int64) {
	fmt.Printf("EXPECT %s %s %x", name, kind, uintptr(p))
	for _, g := range goroutines {
		fmt.Print(" ", g)
	}
	fmt.Println()
}

func waiter(l sync.Locker) {
	spawn(func() { announce(); l.Lock(); sink++; l.Unlock() })
}

type res struct {
	id int
	mu sync.Mutex
	m  map[string]int
}

func newRes() *res {
	r := &res{}
	keep = append(keep, r)
	return r
}

// held is the usual case: somebody holds r.mu while f blocks, somebody else waits.
func held(name string, r *res, f func()) {
	g := spawn(func() { announce(); f() })
	waiter(&r.mu)
	expect(name, "mutex", unsafe.Pointer(&r.mu), g)
}

//go:noinline
func (r *res) plain() { r.mu.Lock(); work(); r.id++; r.mu.Unlock() }

//go:noinline
func (r *res) deferred() int { r.mu.Lock(); defer r.mu.Unlock(); work(); return r.id }

//go:noinline
func acquire(r *res) { r.mu.Lock(); r.id++ }

//go:noinline
func release(r *res) { r.id--; r.mu.Unlock() }

type pair struct {
	pad  [3]int
	a, b sync.Mutex
	n    int
}

//go:noinline
func (p *pair) ab() {
	p.a.Lock()
	announce()
	work2(p)
	p.b.Lock()
	p.n++
	p.b.Unlock()
	p.a.Unlock()
}

//go:noinline
func (p *pair) ba() int {
	p.b.Lock()
	defer p.b.Unlock()
	announce()
	work2(p)
	p.a.Lock()
	defer p.a.Unlock()
	return p.n
}

var gate sync.WaitGroup

//go:noinline
func work2(p *pair) { gate.Done(); gate.Wait(); p.n++ }

func crossed() {
	p := &pair{}
	keep = append(keep, p)
	gate.Add(2)
	g1, g2 := spawn(p.ab), spawn(p.ba2)
	expect("crossed-plain", "mutex", unsafe.Pointer(&p.a), g1)
	expect("crossed-deferred", "mutex", unsafe.Pointer(&p.b), g2)
}

func (p *pair) ba2() { p.ba() }

type embedded struct {
	name string
	sync.Mutex
	v int
}

//go:noinline
func (e *embedded) run() { e.Lock(); work(); e.v++; e.Unlock() }

//go:noinline
func viaLocker(l sync.Locker) { l.Lock(); work(); l.Unlock() }

//go:noinline
func viaLockerDeferred(l sync.Locker) { l.Lock(); defer l.Unlock(); work() }

type guarded[T any] struct {
	mu sync.Mutex
	v  T
}

//go:noinline
func (g *guarded[T]) with(f func(*T)) { g.mu.Lock(); f(&g.v); g.mu.Unlock() }

//go:noinline
func update[K comparable, V any](mu *sync.Mutex, m map[K]V, k K, f func(V) V) {
	mu.Lock()
	defer mu.Unlock()
	m[k] = f(m[k])
}

var shards = map[string]*res{"a": {}, "b": {}, "c": {}}

//go:noinline
func inMap(k string) { s := shards[k]; s.mu.Lock(); work(); s.id++; s.mu.Unlock() }

//go:noinline
func inMapAgain(k string) { shards[k].mu.Lock(); work(); shards[k].mu.Unlock() }

//go:noinline
func inSlice(s []res, i int) { s[i].mu.Lock(); work(); s[i].id++; s[i].mu.Unlock() }

type table struct {
	sh [16]struct {
		mu sync.Mutex
		m  map[int]int
	}
}

//go:noinline
func (t *table) update(k int) {
	i := k % 16
	t.sh[i].mu.Lock()
	work()
	t.sh[i].m[k]++
	t.sh[i].mu.Unlock()
}

//go:noinline
func (r *res) take() func() { r.mu.Lock(); return r.mu.Unlock }

//go:noinline
func (r *res) take2() func() { r.mu.Lock(); r.id++; return func() { r.id--; r.mu.Unlock() } }

var global sync.Mutex

//go:noinline
func try() {
	if global.TryLock() {
		work()
		global.Unlock()
	}
}

//go:noinline
func lockAll(rs []*res) {
	for _, r := range rs {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	work()
}

//go:noinline
func lockAllPlain(rs []*res) {
	for _, r := range rs {
		r.mu.Lock()
	}
	work()
	for _, r := range rs {
		r.mu.Unlock()
	}
}

//go:noinline
func recurse(r *res, n int) int {
	if n == 0 {
		r.mu.Lock()
		work()
		return 1
	}
	x := recurse(r, n-1)
	if n == 3 {
		r.mu.Unlock()
	}
	return x + n
}

//go:noinline
func (r *res) closure(c bool) (err error) {
	locked := false
	if c {
		r.mu.Lock()
		locked = true
	}
	defer func() {
		if locked {
			r.mu.Unlock()
		}
		if e := recover(); e != nil {
			err = fmt.Errorf("%v", e)
		}
	}()
	work()
	return nil
}

//go:noinline
func (r *res) temporary() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id++
	r.mu.Unlock()
	work()
	r.mu.Lock()
	r.id++
}

//go:noinline
func loop(r *res, in chan int) {
	for {
		select {
		case x := <-in:
			r.mu.Lock()
			r.id += x
			work()
			r.mu.Unlock()
		case <-stop:
			return
		}
	}
}

type store struct {
	mu sync.Mutex
	kv map[int]string
}

//go:noinline
func (s *store) each(f func(int) error) error {
	for k := range s.kv {
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}

//go:noinline
func (s *store) flush() error {
	s.mu.Lock()
	if len(s.kv) == 0 {
		s.mu.Unlock()
		return nil
	}
	err := s.each(func(k int) error {
		if k > 100 {
			return fmt.Errorf("bad %d %s", k, s.kv[k])
		}
		work()
		return nil
	})
	if err != nil {
		s.mu.Unlock()
		return fmt.Errorf("flush: %w", err)
	}
	s.kv = nil
	s.mu.Unlock()
	return nil
}

//go:noinline
func (r *res) leave(fail bool) bool {
	r.mu.Lock()
	if fail {
		return false
	}
	r.mu.Unlock()
	return true
}

//go:noinline
func (r *res) inner() int { r.mu.Lock(); defer r.mu.Unlock(); return r.id }

//go:noinline
func (r *res) outer() int { r.mu.Lock(); x := r.inner(); r.mu.Unlock(); return x }

//go:noinline
func (r *res) panics() {
	defer func() { recover() }()
	r.mu.Lock()
	defer r.mu.Unlock()
	defer work()
	panic("on purpose")
}

// recovers is what a recovered panic returns to: its caller goes on and releases.
//
//go:noinline
func (r *res) recovers() {
	r.mu.Lock()
	func() {
		defer func() { recover() }()
		defer work()
		panic("on purpose")
	}()
	r.mu.Unlock()
}

//go:noinline
func (r *res) exits() {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer work()
	runtime.Goexit()
}

// forgets would release behind the panic, which it never gets to.
//
//go:noinline
func (r *res) forgets() {
	defer func() { recover() }()
	r.mu.Lock()
	func() {
		defer work()
		panic("on purpose")
	}()
	r.mu.Unlock()
}

var flag int32

//go:noinline
func (r *res) spin() {
	r.mu.Lock()
	for i := 0; ; i++ {
		r.id += i
		if atomic.LoadInt32(&flag) != 0 {
			break
		}
	}
	r.mu.Unlock()
}

func mutexes() {
	r := newRes()
	held("plain", r, r.plain)
	r = newRes()
	held("deferred", r, func() { r.deferred() })
	crossed()
	r3 := newRes()
	held("two-functions", r3, func() { acquire(r3); work(); release(r3) })
	e := &embedded{}
	keep = append(keep, e)
	g := spawn(func() { announce(); e.run() })
	waiter(e)
	expect("embedded", "mutex", unsafe.Pointer(&e.Mutex), g)
	r4, r5 := newRes(), newRes()
	held("interface", r4, func() { viaLocker(&r4.mu) })
	held("interface-deferred", r5, func() { viaLockerDeferred(&r5.mu) })
	gen := &guarded[string]{}
	keep = append(keep, gen)
	g = spawn(func() { announce(); gen.with(func(s *string) { work(); *s += "x" }) })
	waiter(&gen.mu)
	expect("generic-method", "mutex", unsafe.Pointer(&gen.mu), g)
	r6 := newRes()
	held("generic-function", r6, func() {
		update(&r6.mu, map[string]int{"a": 1}, "a", func(i int) int { work(); return i + 1 })
	})
	r7 := newRes()
	held("closure", r7, func() { func() { r7.mu.Lock(); defer r7.mu.Unlock(); work() }() })
	r8, r9 := newRes(), newRes()
	held("method-value", r8, func() { u := r8.take(); work(); u() })
	held("returned-closure", r9, func() { defer r9.take2()(); work() })
	g = spawn(func() { announce(); try() })
	waiter(&global)
	expect("trylock-global", "mutex", unsafe.Pointer(&global), g)
	r10 := newRes()
	held("recursion", r10, func() { recurse(r10, 4) })
	elements()
}

func elements() {
	held("map-element", shards["b"], func() { inMap("b") })
	held("map-element-again", shards["c"], func() { inMapAgain("c") })
	s := make([]res, 5)
	keep = append(keep, s)
	held("slice-element", &s[3], func() { inSlice(s, 3) })
	t := &table{}
	keep = append(keep, t)
	g := spawn(func() { announce(); t.update(37) })
	spawn(func() { announce(); t.update(38) })
	waiter(&t.sh[5].mu)
	expect("array-element", "mutex", unsafe.Pointer(&t.sh[5].mu), g)
	rs := []*res{newRes(), newRes(), newRes()}
	g = spawn(func() { announce(); lockAll(rs) })
	rs2 := []*res{newRes(), newRes()}
	g2 := spawn(func() { announce(); lockAllPlain(rs2) })
	for i, r := range rs {
		waiter(&r.mu)
		expect(fmt.Sprint("loop-deferred-", i), "mutex", unsafe.Pointer(&r.mu), g)
	}
	for i, r := range rs2 {
		waiter(&r.mu)
		expect(fmt.Sprint("loop-", i), "mutex", unsafe.Pointer(&r.mu), g2)
	}
	r := newRes()
	in := make(chan int)
	g = spawn(func() { announce(); loop(r, in) })
	in <- 1
	spawn(func() { announce(); loop(r, in) })
	waiter(&r.mu)
	expect("in-a-loop", "mutex", unsafe.Pointer(&r.mu), g)
	st := &store{kv: map[int]string{1: "a", 2: "b", 3: "c"}}
	keep = append(keep, st)
	g = spawn(func() { announce(); st.flush() })
	waiter(&st.mu)
	expect("callback-errors", "mutex", unsafe.Pointer(&st.mu), g)
}

// again: locks that are looked up once more in a sync.Map to be released.
type again struct{ m sync.Map }

//go:noinline
func (a *again) take(key string) {
	v, _ := a.m.LoadOrStore(key, new(sync.Mutex))
	v.(*sync.Mutex).Lock()
}

//go:noinline
func (a *again) give(key string) {
	if v, ok := a.m.Load(key); ok {
		v.(*sync.Mutex).Unlock()
	}
}

//go:noinline
func (a *again) byText(key string) { a.take(key); work(); a.give(key) }

//go:noinline
func (a *again) byNumber(n int) {
	v, _ := a.m.LoadOrStore(n, new(sync.Mutex))
	v.(*sync.Mutex).Lock()
	work()
	v, _ = a.m.LoadOrStore(n, new(sync.Mutex))
	v.(*sync.Mutex).Unlock()
}

//go:noinline
func (a *again) byPointer(r *res) {
	v, _ := a.m.LoadOrStore(r, new(sync.Mutex))
	v.(*sync.Mutex).Lock()
	work()
	v, _ = a.m.LoadAndDelete(r)
	v.(*sync.Mutex).Unlock()
}

func lookedUpAgain() {
	a, r := new(again), newRes()
	keep = append(keep, a)
	for i := 0; i < 300; i++ { // tables, and a trie with some depth
		a.m.Store(i, new(sync.Mutex))
		a.m.Store(strconv.Itoa(i), new(sync.Mutex))
	}
	for i := 0; i < 1000; i++ { // until 1.23: what was stored moves to the map for readers
		a.m.Load("none")
	}
	of := func(key interface{}) *sync.Mutex {
		v, _ := a.m.LoadOrStore(key, new(sync.Mutex))
		return v.(*sync.Mutex)
	}
	say := func(name string, key interface{}, g int64) {
		waiter(of(key))
		expect(name, "mutex", unsafe.Pointer(of(key)), g)
	}
	text := strconv.Itoa(17) // another string with the same text
	say("sync-map-text", "17", spawn(func() { announce(); a.byText(text) }))
	say("sync-map-new-text", "x", spawn(func() { announce(); a.byText("x") }))
	say("sync-map-number", 123456, spawn(func() { announce(); a.byNumber(123456) }))
	say("sync-map-pointer", r, spawn(func() { announce(); a.byPointer(r) }))
}

// traps: who looks like the holder and is not.
func traps() {
	r := newRes()
	spawn(func() { announce(); r.closure(false) })
	held("conditional-defer", r, func() { r.closure(true) })
	r2 := newRes()
	spawn(func() { announce(); r2.temporary() })
	held("temporary-unlock", r2, func() { acquire(r2); work(); release(r2) })
	r3 := newRes()
	spawn(func() { announce(); work(); r3.mu.Lock(); r3.id++; r3.mu.Unlock() })
	held("bystander", r3, func() { r3.mu.Lock(); work(); r3.mu.Unlock() })
	r4 := newRes()
	spawn(func() { announce(); r4.leave(true) })
	waiter(&r4.mu)
	spawn(func() { announce(); r4.leave(false) })
	expect("left-locked", "mutex", unsafe.Pointer(&r4.mu))
	r5 := newRes()
	g := spawn(func() { announce(); r5.outer() })
	expect("twice", "again", unsafe.Pointer(&r5.mu), g)
	r6 := newRes()
	held("panicking", r6, r6.panics)
	r7 := newRes()
	held("recovering", r7, r7.recovers)
	r8 := newRes()
	held("goexit", r8, r8.exits)
	r9 := newRes()
	spawn(func() { announce(); r9.forgets() })
	waiter(&r9.mu)
	expect("behind-a-panic", "mutex", unsafe.Pointer(&r9.mu))
	r10 := newRes()
	spawn(func() {
		announce()
		r10.mu.Lock()
		go func() { announce(); work(); r10.mu.Unlock() }()
	})
	g = <-ids
	waiter(&r10.mu)
	expect("handed-over", "mutex", unsafe.Pointer(&r10.mu), g)
}

// places: where a holder can be blocked, or not be blocked at all.
func places() {
	r := newRes()
	held("running", r, r.spin)
	var p [2]int
	syscall.Pipe(p[:])
	r2 := newRes()
	held("system-call", r2, func() {
		r2.mu.Lock()
		var b [8]byte
		syscall.Read(p[0], b[:])
		r2.mu.Unlock()
	})
	r3 := newRes()
	held("asleep", r3, func() { r3.mu.Lock(); time.Sleep(time.Hour); r3.mu.Unlock() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c, _ := net.Dial("tcp", l.Addr().String())
	keep = append(keep, c, l)
	r4 := newRes()
	held("network", r4, func() {
		r4.mu.Lock()
		defer r4.mu.Unlock()
		c.Read(make([]byte, 10))
	})
}

type cache struct {
	x  int
	mu sync.RWMutex
}

//go:noinline
func (c *cache) get() int { c.mu.RLock(); defer c.mu.RUnlock(); work(); return c.x }

//go:noinline
func (c *cache) get2() int { c.mu.RLock(); work(); r := c.x; c.mu.RUnlock(); return r }

//go:noinline
func (c *cache) set(v int) { c.mu.Lock(); c.x = v; c.mu.Unlock() }

//go:noinline
func (c *cache) hold() { c.mu.Lock(); defer c.mu.Unlock(); work(); c.x++ }

func rwmutexes() {
	c, d, e := &cache{}, &cache{}, &cache{}
	keep = append(keep, c, d, e)
	g1 := spawn(func() { announce(); c.get() })
	g2 := spawn(func() { announce(); c.get2() })
	w := spawn(func() { announce(); c.set(3) })
	spawn(func() { announce(); c.get2() })
	spawn(func() { announce(); c.set(4) })
	expect("readers", "read", unsafe.Pointer(&c.mu), g1, g2)
	expect("pending-writer", "write", unsafe.Pointer(&c.mu), w)
	g := spawn(func() { announce(); d.hold() })
	spawn(func() { announce(); d.get() })
	spawn(func() { announce(); d.set(4) })
	expect("writer", "write", unsafe.Pointer(&d.mu), g)
	g = spawn(func() { announce(); viaLocker(e.mu.RLocker()) })
	spawn(func() { announce(); e.set(4) })
	expect("rlocker", "read", unsafe.Pointer(&e.mu), g)
}

type lazy struct {
	once sync.Once
	v    int
}

//go:noinline
func (l *lazy) get() int { l.once.Do(func() { work(); l.v = 7 }); return l.v }

type call struct {
	wg  sync.WaitGroup
	val int
}

type group struct {
	mu sync.Mutex
	m  map[string]*call
}

//go:noinline
func (g *group) do(key string, fn func() int) int {
	g.mu.Lock()
	if g.m == nil {
		g.m = map[string]*call{}
	}
	if c, ok := g.m[key]; ok {
		g.mu.Unlock()
		c.wg.Wait()
		return c.val
	}
	c := new(call)
	c.wg.Add(1)
	g.m[key] = c
	g.mu.Unlock()
	c.val = fn()
	c.wg.Done()
	g.mu.Lock()
	delete(g.m, key)
	g.mu.Unlock()
	return c.val
}

type queue struct {
	mu sync.Mutex
	c  *sync.Cond
	n  int
}

//go:noinline
func (q *queue) pop() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.n == 0 {
		q.c.Wait()
	}
	q.n--
	return q.n
}

//go:noinline
func (q *queue) push() { q.mu.Lock(); work(); q.n++; q.mu.Unlock(); q.c.Signal() }

//go:noinline
func producer(c chan int) { work(); c <- 1 }

func others() {
	l := &lazy{}
	keep = append(keep, l)
	g := spawn(func() { announce(); l.get() })
	spawn(func() { announce(); l.get() })
	o := (*struct {
		done uint32
		m    sync.Mutex
	})(unsafe.Pointer(&l.once))
	expect("once", "mutex", unsafe.Pointer(&o.m), g)
	s := &group{}
	keep = append(keep, s)
	f := func() int { work(); return 1 }
	g = spawn(func() { announce(); s.do("k", f) })
	spawn(func() { announce(); s.do("k", f) })
	expect("singleflight", "group", unsafe.Pointer(&s.m["k"].wg), g)
	q := &queue{}
	q.c = sync.NewCond(&q.mu)
	keep = append(keep, q)
	spawn(func() { announce(); q.pop() })
	g = spawn(func() { announce(); q.push() })
	waiter(&q.mu)
	expect("cond-waiter-is-not", "mutex", unsafe.Pointer(&q.mu), g)
	expect("signaller", "cond", unsafe.Pointer(q.c), g)
	c, d := make(chan int), make(chan int)
	keep = append(keep, c, d)
	g = spawn(func() { announce(); producer(c) })
	spawn(func() { announce(); sink += int64(<-c) })
	expect("sender", "send", *(*unsafe.Pointer)(unsafe.Pointer(&c)), g)
	g = spawn(func() { announce(); defer close(d); work() })
	spawn(func() {
		announce()
		for x := range d {
			sink += int64(x)
		}
	})
	expect("closer", "close", *(*unsafe.Pointer)(unsafe.Pointer(&d)), g)
	wg := &sync.WaitGroup{}
	keep = append(keep, wg)
	wg.Add(3)
	g1 := spawn(func() { announce(); defer wg.Done(); work() })
	g2 := spawn(func() { announce(); work(); wg.Done() })
	spawn(func() { announce(); wg.Done() })
	spawn(func() { announce(); wg.Wait() })
	expect("workers", "group", unsafe.Pointer(wg), g1, g2)
}

// more is what newer releases add.
var more []func()

func main() {
	if len(os.Args) > 1 { // a crowd of so many
		n, _ := strconv.Atoi(os.Args[1])
		crowd(n)
		lib.Ready()
		lib.Commands(nil)
	}
	mutexes()
	lookedUpAgain()
	traps()
	places()
	rwmutexes()
	others()
	for _, f := range more {
		f()
	}
	settle()
	lib.Ready()
	lib.Commands(nil)
}
