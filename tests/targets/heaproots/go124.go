//go:build go1.24

package main

import (
	"runtime"
	"unsafe"
	"weak"
)

func init() { newer = append(newer, cleanups, weaks) }

var weakDead, weakLive weak.Pointer[leaf]
var keptByMe *leaf

func weaks() {
	weakDead = weak.Make(newLeaf("weak_only"))
	keptByMe = newLeaf("weak_and_strong")
	weakLive = weak.Make(keptByMe)
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
