package main

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// ---- what hides, what hides badly ----

type tiny struct{ a, b uint16 }

var (
	globalTiny     *tiny
	globalLast     *byte
	globalEmpty    []uint64
	globalBytes    = make([]byte, 4096) // has no pointers for the collector
	globalMapped   []byte               // nor has what is not of its heap
	globalVictim   sync.Pool
	globalChannels []*time.Timer
)

//go:noinline
func newTiny(name string) *tiny {
	t := new(tiny)
	p := register(name, unsafe.Pointer(t))
	runtime.SetFinalizer(t, func(*tiny) { atomic.StoreUint32(&p.died, 1) })
	return t
}

// One block of 16 bytes for both: what lives keeps what does not.
//
//go:noinline
func tinyBlocks() {
	last := new(tiny)
	for i := 0; i < 1000; i++ { // with the race detector there are no such blocks
		next := new(tiny)
		if uintptr(unsafe.Pointer(last))&^15 == uintptr(unsafe.Pointer(next))&^15 &&
			uintptr(unsafe.Pointer(next))&15 == 8 {
			break // so the next two are neighbours
		}
		last = next
	}
	newTiny("tiny_neighbour")
	globalTiny = newTiny("tiny_kept")
	for i := 0; i < 4; i++ { // the block is full, and not that which is being filled
		use(new(tiny))
	}
}

//go:noinline
func hide(name string, in []byte) {
	*(*uintptr)(unsafe.Pointer(&in[0])) = uintptr(unsafe.Pointer(newLeaf(name)))
}

func hidden() {
	tinyBlocks()
	l := newLeaf("interior_last")
	globalLast = (*byte)(unsafe.Pointer(uintptr(unsafe.Pointer(l)) + unsafe.Sizeof(*l) - 1))
	globalEmpty = newLeaf("slice_of_nothing").words[13:]
	hide("hidden_in_bytes", globalBytes)
	globalMapped, _ = syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	hide("hidden_outside", globalMapped)
	done := make(chan bool)
	go func() {
		l := newLeaf("goroutine_ended")
		use(l)
		done <- true
		useLeaf(l)
	}()
	<-done
}

// ---- pools, locks, timers, system calls ----

// victims is called first of all, for it runs the collector.
func victims() {
	globalVictim.Put(newLeaf("pool_victim"))
	runtime.GC()
}

type guarded struct {
	words [8]uint64
	sync.Mutex
	l *leaf
}

//go:noinline
func lockedTwice() {
	g := &guarded{l: newLeaf("mutex_of_waiter")}
	g.Lock()
	atomic.AddInt32(&parked, 1)
	g.Lock()
}

type group struct {
	sync.WaitGroup
	l *leaf
}

//go:noinline
func waitsForever() {
	g := &group{l: newLeaf("group_of_waiter")}
	g.Add(1)
	atomic.AddInt32(&parked, 1)
	g.Wait()
}

// Whether the collector takes a timer that nobody can receive from depends on the release.
//
//go:noinline
func newTimer(name string) *time.Timer {
	t := time.NewTimer(time.Hour)
	p := register(name, unsafe.Pointer(t))
	runtime.SetFinalizer(t, func(*time.Timer) { atomic.StoreUint32(&p.died, 1) })
	return t
}

//go:noinline
func timerWaited() {
	t := newTimer("timer_waited")
	c := t.C
	atomic.AddInt32(&parked, 1)
	<-c
}

//go:noinline
func timerSelected() {
	t := newTimer("timer_selected")
	l := newLeaf("timer_select_local")
	atomic.AddInt32(&parked, 1)
	select {
	case <-t.C:
	case <-blocked:
	}
	useLeaf(l)
}

//go:noinline
func inSystemCall() {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	kept, dead, buffer := newLeaf("syscall_local"), newLeaf("syscall_dead"), newLeaf("syscall_buffer")
	use(dead)
	atomic.AddInt32(&parked, 1)
	syscall.Read(fds[0], (*[13 * 8]byte)(unsafe.Pointer(&buffer.words))[:])
	useLeaf(kept)
}

//go:noinline
func panicTwice() {
	defer func() {
		park()
		_ = recover()
	}()
	defer func() { panic(newNode("panic_second")) }()
	panic(newNode("panic_first"))
}

func waiters() {
	start(lockedTwice)
	start(waitsForever)
	start(timerWaited)
	start(timerSelected)
	start(inSystemCall)
	start(panicTwice)
	newTimer("timer_forgotten")
	globalChannels = append(globalChannels, newTimer("timer_kept"))
}

// ---- queues of finalizers and cleanups, in the middle of their work ----

const queued = 300 // more than a block of the queue has room for

var (
	unblock = make(chan struct{})
	intact  int32
)

//go:noinline
func newMarked(name string) *leaf {
	l := new(leaf)
	l.words[3], l.words[12] = 12345, uint64(len(name))
	register(name, unsafe.Pointer(l))
	return l
}

func isIntact(l *leaf, name string) {
	if l.words[3] == 12345 && l.words[12] == uint64(len(name)) {
		atomic.AddInt32(&intact, 1)
	}
}

//go:noinline
func queue(name string, first bool) {
	captured := newMarked(name + "_captured")
	runtime.SetFinalizer(newMarked(name), func(l *leaf) {
		if first {
			park()
		}
		isIntact(l, name)
		isIntact(captured, name+"_captured")
	})
}

// finalizing returns when a finalizer runs and does not end, and the collector has queued others.
func finalizing() {
	blocked = unblock
	expected++
	queue("finalizing", true)
	for atomic.LoadInt32(&parked) < expected {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for i := 0; i < queued; i++ {
		queue("queued_"+strconv.Itoa(i), false)
	}
	for _, f := range alsoQueued {
		f()
	}
	runtime.GC()
	runtime.GC()
}

var alsoQueued []func()

// finish lets the finalizer go on; nothing it and those behind it get may have been freed meanwhile.
func finish([]string) (string, error) {
	runtime.GC()
	runtime.GC()
	close(unblock)
	for i := 0; atomic.LoadInt32(&intact) < int32(len(probes)) && i < 10000; i++ {
		time.Sleep(time.Millisecond)
	}
	return fmt.Sprintf("intact=%d of=%d", intact, len(probes)), nil
}
