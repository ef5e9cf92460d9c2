//go:build go1.24

package main

import (
	"runtime"
	"strconv"
	"unsafe"
	"weak"
)

func init() {
	newer = append(newer, cleanups, weaks)
	alsoQueued = append(alsoQueued, cleaning)
}

var weakDead, weakLive weak.Pointer[leaf]
var weakInterior weak.Pointer[uint64]
var keptByMe *leaf

func weaks() {
	weakDead = weak.Make(newLeaf("weak_only"))
	keptByMe = newLeaf("weak_and_strong")
	weakLive = weak.Make(keptByMe)
	weakInterior = weak.Make(&newLeaf("weak_interior").words[7])
}

//go:noinline
func cleanups() {
	// The object is garbage, the argument is not: the cleanup will get it.
	n := new(node)
	n.left = newLeaf("cleanup_referent")
	captured := newLeaf("cleanup_captured")
	p := register("cleanup_object", unsafe.Pointer(n))
	runtime.AddCleanup(n, func(l *leaf) {
		p.died = 1
		resurrected = append(resurrected, l, captured)
	}, newLeaf("cleanup_argument"))
}

//go:noinline
func clean(name string, first bool) {
	n := new(node)
	runtime.AddCleanup(n, func(l *leaf) {
		if first {
			<-unblock
		}
		isIntact(l, name)
	}, newMarked(name))
	captured := newMarked(name + "_captured")
	runtime.AddCleanup(&n.words[2], func(int) { isIntact(captured, name+"_captured") }, 1)
}

// cleaning queues cleanups behind one that does not end (1.24: behind the finalizer).
func cleaning() {
	clean("cleaning", true)
	runtime.GC()
	for i := 0; i < queued; i++ {
		clean("cleanup_queued_"+strconv.Itoa(i), false)
	}
}
