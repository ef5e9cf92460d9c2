// Locks is many goroutines that take many locks in many ways, and write down who holds what: the truth
// to compare with, read from memory at the instant somebody looks.
//
//	OBJ kind mutex owner        addresses: the lock, and the goid of who holds it (0: nobody, or between
//	                            taking it and writing it down)
//	READ rwmutex goid state     of each worker: 1 takes it, 2 holds it, 3 releases it
package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"targets/lib"
)

const workers = 32

type obj struct {
	n     int
	mu    sync.Mutex
	owner int64
	next  *obj
}

type reader struct{ goid, state int64 }

type robj struct {
	mu    sync.RWMutex
	owner int64
	rd    [workers]reader
	v     int
}

var (
	objs   [12]obj
	chain  [8]obj
	heap   []*obj
	rws    []*robj
	byName = map[string]*obj{}
	tick   = make(chan int)
	errX   = errors.New("x")
)

//go:noinline
func goid() int64 {
	var b [64]byte
	f := bytes.Fields(b[:runtime.Stack(b[:], false)])
	v, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return v
}

type rng uint64

func (r *rng) next() int {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return int(*r >> 20 & 0xffffff)
}

//go:noinline
func dwell(r *rng) int {
	switch r.next() % 5 {
	case 0:
		time.Sleep(time.Duration(r.next()%3000) * time.Microsecond)
	case 1:
		s := 0
		for i := 0; i < r.next()%200000; i++ {
			s += i * s
		}
		return s
	case 2:
		<-tick
	case 3:
		select {
		case <-tick:
		case <-time.After(time.Duration(r.next()%2000) * time.Microsecond):
		}
	case 4:
		runtime.Gosched()
	}
	return 1
}

func (o *obj) took(me int64) { o.owner = me }
func (o *obj) unlock()       { o.owner = 0; o.mu.Unlock() }

//go:noinline
func plain(o *obj, me int64, r *rng) { o.mu.Lock(); o.took(me); dwell(r); o.n++; o.unlock() }

//go:noinline
func deferred(o *obj, me int64, r *rng) int {
	o.mu.Lock()
	o.owner = me
	defer func() { o.owner = 0; o.mu.Unlock() }()
	if dwell(r) > 7 {
		return o.n
	}
	o.n++
	return dwell(r)
}

//go:noinline
func deferred2(o *obj, me int64, r *rng) (int, error) {
	o.mu.Lock()
	o.owner = me
	defer o.unlock()
	if r.next()%3 == 0 {
		return 0, fmt.Errorf("n %d: %w", o.n, errX)
	}
	return dwell(r), nil
}

//go:noinline
func nested(a, b *obj, me int64, r *rng) {
	if uintptr(unsafe.Pointer(a)) > uintptr(unsafe.Pointer(b)) {
		a, b = b, a
	}
	if a == b {
		return
	}
	a.mu.Lock()
	a.owner = me
	dwell(r)
	b.mu.Lock()
	b.owner = me
	dwell(r)
	b.owner = 0
	b.mu.Unlock()
	dwell(r)
	a.owner = 0
	a.mu.Unlock()
}

//go:noinline
func errorPaths(o *obj, me int64, r *rng) error {
	o.mu.Lock()
	o.owner = me
	if r.next()%4 == 0 {
		o.unlock()
		return errX
	}
	if x := dwell(r); x > 5 {
		o.n += x
		o.unlock()
		dwell(r)
		return fmt.Errorf("bad %d", x)
	}
	for i := 0; i < 3; i++ {
		o.n += i
		dwell(r)
		if o.n < 0 {
			o.unlock()
			return errX
		}
	}
	o.owner = 0
	o.mu.Unlock()
	dwell(r)
	return nil
}

//go:noinline
func each(n int, f func(int) bool) {
	for i := 0; i < n; i++ {
		if !f(i) {
			return
		}
	}
}

//go:noinline
func callback(o *obj, me int64, r *rng) {
	each(4, func(i int) bool {
		o.mu.Lock()
		o.owner = me
		dwell(r)
		o.owner = 0
		o.mu.Unlock()
		dwell(r)
		return i < 2
	})
}

//go:noinline
func under(o *obj, me int64, r *rng) {
	o.mu.Lock()
	o.owner = me
	each(3, func(i int) bool { dwell(r); o.n += i; return true })
	o.owner = 0
	o.mu.Unlock()
}

//go:noinline
func take(o *obj, me int64) func() {
	o.mu.Lock()
	o.owner = me
	return func() { o.owner = 0; o.mu.Unlock() }
}

//go:noinline
func taken(o *obj, me int64, r *rng) { u := take(o, me); dwell(r); u(); dwell(r) }

//go:noinline
func takenDeferred(o *obj, me int64, r *rng) { defer take(o, me)(); dwell(r) }

//go:noinline
func viaLocker(l sync.Locker, own *int64, me int64, r *rng) {
	l.Lock()
	*own = me
	dwell(r)
	*own = 0
	l.Unlock()
}

//go:noinline
func shard(k int, me int64, r *rng) {
	i := k % len(objs)
	objs[i].mu.Lock()
	objs[i].owner = me
	dwell(r)
	objs[i].owner = 0
	objs[i].mu.Unlock()
	dwell(r)
}

//go:noinline
func named(k string, me int64, r *rng) {
	byName[k].mu.Lock()
	byName[k].owner = me
	dwell(r)
	byName[k].owner = 0
	byName[k].mu.Unlock()
}

//go:noinline
func conditional(o *obj, me int64, r *rng) {
	locked := r.next()%2 == 0
	if locked {
		o.mu.Lock()
		o.owner = me
	}
	dwell(r)
	if locked {
		o.owner = 0
		o.mu.Unlock()
	}
	dwell(r)
}

//go:noinline
func try(o *obj, me int64, r *rng) {
	for i := 0; i < 5; i++ {
		if o.mu.TryLock() {
			o.owner = me
			dwell(r)
			o.owner = 0
			o.mu.Unlock()
			return
		}
		runtime.Gosched()
	}
}

//go:noinline
func several(os []*obj, me int64, r *rng) {
	for _, o := range os {
		o.mu.Lock()
		o.owner = me
		defer o.unlock()
	}
	dwell(r)
}

//go:noinline
func severalPlain(os []*obj, me int64, r *rng) {
	for _, o := range os {
		o.mu.Lock()
		o.owner = me
	}
	dwell(r)
	for _, o := range os {
		o.owner = 0
		o.mu.Unlock()
	}
}

//go:noinline
func handOverHand(head *obj, me int64, r *rng) {
	o := head
	o.mu.Lock()
	o.owner = me
	for i := 0; i < 4 && o.next != nil; i++ {
		n := o.next
		n.mu.Lock()
		n.owner = me
		o.owner = 0
		o.mu.Unlock()
		o = n
		dwell(r)
	}
	o.owner = 0
	o.mu.Unlock()
}

type box[T any] struct {
	o *obj
	v T
}

//go:noinline
func (b *box[T]) with(me int64, r *rng, f func(*T)) {
	b.o.mu.Lock()
	b.o.owner = me
	f(&b.v)
	dwell(r)
	b.o.owner = 0
	b.o.mu.Unlock()
}

//go:noinline
func recovers(o *obj, me int64, r *rng) (err error) {
	o.mu.Lock()
	o.owner = me
	defer func() {
		if e := recover(); e != nil {
			err = errX
		}
		o.owner = 0
		o.mu.Unlock()
	}()
	if dwell(r); r.next()%3 == 0 {
		defer dwell(r)
		panic(errX)
	}
	return nil
}

//go:noinline
func read(o *robj, w int, me int64, r *rng) int {
	x := &o.rd[w]
	x.state = 1
	o.mu.RLock()
	x.state = 2
	v := o.v + dwell(r)
	x.state = 3
	o.mu.RUnlock()
	x.state = 0
	return v
}

//go:noinline
func readDeferred(o *robj, w int, me int64, r *rng) int {
	x := &o.rd[w]
	x.state = 1
	o.mu.RLock()
	x.state = 2
	defer func() { x.state = 3; o.mu.RUnlock(); x.state = 0 }()
	return o.v + dwell(r)
}

//go:noinline
func write(o *robj, me int64, r *rng) {
	o.mu.Lock()
	o.owner = me
	dwell(r)
	o.v++
	o.owner = 0
	o.mu.Unlock()
}

//go:noinline
func inner(o *obj, me int64, r *rng) { o.n++; o.owner = 0; o.mu.Unlock(); dwell(r) }

//go:noinline
func split(o *obj, me int64, r *rng) { o.mu.Lock(); o.owner = me; dwell(r); inner(o, me, r) }

func worker(w int) {
	me := goid()
	for _, o := range rws {
		o.rd[w].goid = me
	}
	started.Done()
	r := rng(w*7919 + 12345)
	for i := 0; i < 20; i++ {
		r.next()
	}
	any := func() *obj { return heap[r.next()%len(heap)] }
	run := func() []*obj { i := r.next() % (len(heap) - 3); return heap[i : i+3] }
	for {
		switch r.next() % 24 {
		case 0:
			plain(any(), me, &r)
		case 1:
			deferred(any(), me, &r)
		case 2:
			deferred2(any(), me, &r)
		case 3:
			nested(any(), any(), me, &r)
		case 4:
			errorPaths(any(), me, &r)
		case 5:
			callback(any(), me, &r)
		case 6:
			under(any(), me, &r)
		case 7:
			taken(any(), me, &r)
		case 8:
			takenDeferred(any(), me, &r)
		case 9:
			o := any()
			viaLocker(&o.mu, &o.owner, me, &r)
		case 10:
			shard(r.next(), me, &r)
		case 11:
			named(strconv.Itoa(r.next()%6), me, &r)
		case 12:
			conditional(any(), me, &r)
		case 13:
			try(any(), me, &r)
		case 14:
			several(run(), me, &r)
		case 15:
			severalPlain(run(), me, &r)
		case 16:
			handOverHand(&chain[0], me, &r)
		case 17, 18:
			read(rws[r.next()%len(rws)], w, me, &r)
		case 19:
			readDeferred(rws[r.next()%len(rws)], w, me, &r)
		case 20:
			write(rws[r.next()%len(rws)], me, &r)
		case 21:
			split(any(), me, &r)
		case 22:
			(&box[string]{o: any()}).with(me, &r, func(s *string) { *s += "x" })
		case 23:
			recovers(any(), me, &r)
		}
	}
}

var started sync.WaitGroup

func tell() {
	var o obj
	p := func(kind string, a unsafe.Pointer, mu, owner uintptr) {
		fmt.Printf("OBJ %s %x %x\n", kind, uintptr(a)+mu, uintptr(a)+owner)
	}
	all := append([]*obj{}, heap...)
	for i := range objs {
		all = append(all, &objs[i])
	}
	for i := range chain {
		all = append(all, &chain[i])
	}
	for _, x := range byName {
		all = append(all, x)
	}
	for _, x := range all {
		p("mutex", unsafe.Pointer(x), unsafe.Offsetof(o.mu), unsafe.Offsetof(o.owner))
	}
	for _, x := range rws {
		p("rw", unsafe.Pointer(x), unsafe.Offsetof(x.mu), unsafe.Offsetof(x.owner))
		for w := range x.rd {
			fmt.Printf("READ %x %x %x\n", uintptr(unsafe.Pointer(&x.mu)), uintptr(unsafe.Pointer(&x.rd[w].goid)),
				uintptr(unsafe.Pointer(&x.rd[w].state)))
		}
	}
}

func main() {
	for i := 0; i < 16; i++ {
		heap = append(heap, &obj{})
	}
	// in the order of addresses: whoever takes several cannot wait in a circle
	sort.Slice(heap, func(i, j int) bool {
		return uintptr(unsafe.Pointer(heap[i])) < uintptr(unsafe.Pointer(heap[j]))
	})
	for i := 0; i < 4; i++ {
		rws = append(rws, &robj{})
	}
	for i := 0; i < 7; i++ {
		chain[i].next = &chain[i+1]
	}
	for i := 0; i < 6; i++ {
		byName[strconv.Itoa(i)] = &obj{}
	}
	tell()
	started.Add(workers)
	for w := 0; w < workers; w++ {
		go worker(w)
	}
	go func() {
		for i := 0; ; i++ {
			tick <- i
			time.Sleep(300 * time.Microsecond)
		}
	}()
	started.Wait()
	lib.Ready()
	lib.Commands(nil)
}
