// Program heaproots allocates objects that are kept by one thing only, or by nothing: a variable of a
// stopped goroutine that will be used again, one that will not, an argument, a deferred call, a timer.
// It says where they lie; asked for it, it runs the garbage collector and says which of them died,
// which is the truth that a look from outside must have known before.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"targets/lib"
)

// A leaf has no pointers, and is not so small that it shares a block with others.
type leaf struct{ words [13]uint64 }

// A node has some.
type node struct {
	left, right *leaf
	next        *node
	words       [4]uint64
}

type probe struct {
	name string
	addr uintptr // hidden from the collector
	died uint32
}

var (
	probesLock sync.Mutex
	probes     []*probe
	blocked    = make(chan struct{}) // never closed
	parked     int32                 // goroutines that are where they should be
	expected   int32
)

func register(name string, at unsafe.Pointer) *probe {
	p := &probe{name: name, addr: uintptr(at)}
	probesLock.Lock()
	probes = append(probes, p)
	probesLock.Unlock()
	return p
}

//go:noinline
func newLeaf(name string) *leaf {
	l := new(leaf)
	p := register(name, unsafe.Pointer(l))
	runtime.SetFinalizer(l, func(*leaf) { atomic.StoreUint32(&p.died, 1) })
	return l
}

//go:noinline
func newNode(name string) *node {
	n := new(node)
	p := register(name, unsafe.Pointer(n))
	runtime.SetFinalizer(n, func(*node) { atomic.StoreUint32(&p.died, 1) })
	return n
}

//go:noinline
func park() {
	atomic.AddInt32(&parked, 1)
	<-blocked
}

//go:noinline
func use(x interface{}) {
	if x == nil {
		panic("no object")
	}
}

//go:noinline
func useLeaf(l *leaf) uint64 { return l.words[3] }

// start runs a goroutine that will come to park().
func start(f func()) {
	expected++
	go f()
}

// collect runs the collector until what was unreachable has been finalized, then tells which probes
// were.
func collect([]string) (string, error) {
	runtime.GC()
	for i := 0; i < 3; i++ { // whose finalizer is queued later runs later, a batch at a time
		done := make(chan struct{})
		sentinel(done)
		for waiting := true; waiting; {
			runtime.GC()
			select {
			case <-done:
				waiting = false
			case <-time.After(time.Millisecond):
			}
		}
	}
	var died []string
	for _, p := range probes {
		if atomic.LoadUint32(&p.died) != 0 {
			died = append(died, p.name)
		}
	}
	sort.Strings(died)
	return strings.Join(died, " "), nil
}

//go:noinline
func sentinel(done chan struct{}) {
	l := new(leaf)
	runtime.SetFinalizer(l, func(*leaf) { close(done) })
}

func list([]string) (string, error) {
	var b strings.Builder
	for _, p := range probes {
		fmt.Fprintf(&b, "%s=%d ", p.name, p.addr)
	}
	return b.String(), nil
}

// many starts goroutines with deep stacks that hold pointers.
func many(n int) {
	for i := 0; i < n; i++ {
		start(func() { deep(20, newPair()) })
	}
}

type pair struct {
	a, b *[64]byte
	s    string
}

//go:noinline
func newPair() *pair {
	return &pair{new([64]byte), new([64]byte), strconv.Itoa(int(atomic.LoadInt32(&parked)))}
}

//go:noinline
func deep(n int, p *pair) int {
	if n == 0 {
		park()
		return len(p.s)
	}
	q := newPair()
	v := deep(n-1, q)
	return v + len(q.s) + len(p.s)
}

// wait returns when all goroutines are where they should be, or about to.
func wait() {
	for atomic.LoadInt32(&parked) < expected {
		time.Sleep(time.Millisecond)
	}
}

func main() {
	debug.SetGCPercent(-1)
	switch {
	case len(os.Args) > 1 && os.Args[1] == "running":
		start(spin)
		wait()
	case len(os.Args) > 1 && os.Args[1] == "vectors":
		vectors()
		wait()
	case len(os.Args) > 1 && os.Args[1] == "held":
		start(holdInVector)
		wait()
	case len(os.Args) > 1 && os.Args[1] == "finalizing":
		finalizing()
	case len(os.Args) > 1:
		n, err := strconv.Atoi(os.Args[1])
		if err != nil {
			panic(err)
		}
		debug.SetGCPercent(100)
		many(n)
		wait()
	default:
		victims()
		hidden()
		stacks()
		calls()
		waiters()
		defers()
		reflection()
		globals()
		specials()
		for _, f := range newer {
			f()
		}
		lib.Settle(func() bool { return atomic.LoadInt32(&parked) == expected })
	}
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"list": list, "collect": collect, "held": heldVector, "finish": finish})
}

// newer are cases of later releases.
var newer []func()
