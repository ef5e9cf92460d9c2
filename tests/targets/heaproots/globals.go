package main

import (
	"runtime"
	"sync"
	"time"
	"unsafe"
)

// ---- package-level variables ----

type cache struct {
	size int
	ll   *node
	byID map[string]*leaf
	slot [3]struct {
		key string
		val *leaf
	}
}

var (
	globalPointer   *leaf
	globalSlice     []*leaf
	globalMap       map[string]*leaf
	globalInterface interface{}
	globalFunc      func() uint64
	globalCache     cache
	globalArray     [4]*node
	globalChan      = make(chan *leaf, 2)
	globalAtomic    unsafe.Pointer
	globalHidden    uintptr // not a pointer
	globalLiteral   = &cache{size: 3, ll: &node{words: [4]uint64{1, 2, 3, 4}}}
	globalInterior  *uint64
	globalPool      sync.Pool
	globalTimers    []*time.Timer
	globalForgotten *leaf
)

func globals() {
	globalPointer = newLeaf("global_pointer")
	globalSlice = append(make([]*leaf, 0, 3), newLeaf("global_slice"))
	globalMap = map[string]*leaf{"key": newLeaf("global_map")}
	globalInterface = newLeaf("global_interface")
	captured := newLeaf("global_func")
	globalFunc = func() uint64 { return captured.words[0] }
	globalCache.ll = newNode("global_field")
	globalCache.byID = map[string]*leaf{"id": newLeaf("global_field_map")}
	globalCache.slot[2].val = newLeaf("global_field_array")
	globalArray[3] = newNode("global_array")
	globalChan <- newLeaf("global_chan")
	globalAtomic = unsafe.Pointer(newLeaf("global_unsafe"))
	globalHidden = uintptr(unsafe.Pointer(newLeaf("global_uintptr")))
	globalLiteral.ll.left = newLeaf("global_literal")
	globalInterior = &newLeaf("global_interior").words[5]
	globalForgotten = newLeaf("global_forgotten")
	globalForgotten = nil
	globalPool.Put(newLeaf("pool"))
	l := newLeaf("timer_closure")
	globalTimers = append(globalTimers, time.AfterFunc(time.Hour, func() { useLeaf(l) }))
	m := newLeaf("timer_unnamed")
	time.AfterFunc(2*time.Hour, func() { useLeaf(m) })
	stopped := newLeaf("timer_stopped")
	time.AfterFunc(3*time.Hour, func() { useLeaf(stopped) }).Stop()
}

// ---- finalizers ----

var resurrected []interface{}

func specials() {
	finalizers()
}

//go:noinline
func finalizers() {
	// The object is garbage, what it refers to is not: its finalizer will see it.
	n := new(node)
	n.left = newLeaf("finalizer_referent")
	n.next = newNode("finalizer_next")
	n.next.right = newLeaf("finalizer_far")
	captured := newLeaf("finalizer_captured")
	p := register("finalizer_object", unsafe.Pointer(n))
	runtime.SetFinalizer(n, func(n *node) {
		p.died = 1
		resurrected = append(resurrected, n, captured)
	})
	// Two that refer to each other: neither is ever finalized, so both stay.
	a, b := newNode("finalizer_cycle_a"), newNode("finalizer_cycle_b")
	a.next, b.next = b, a
}
