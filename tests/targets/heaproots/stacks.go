package main

import (
	"runtime"
	"sync/atomic"
)

// ---- variables of stopped functions ----

//go:noinline
func localLive() {
	liveLocal := newLeaf("local_live")
	park()
	runtime.KeepAlive(liveLocal)
}

//go:noinline
func localDead() {
	deadLocal := newLeaf("local_dead")
	use(deadLocal)
	park()
}

//go:noinline
func localReassigned() {
	l := newLeaf("local_overwritten")
	use(l)
	l = newLeaf("local_reassigned")
	park()
	runtime.KeepAlive(l)
}

//go:noinline
func argument(liveArg, deadArg *leaf) uint64 {
	use(deadArg)
	park()
	return useLeaf(liveArg)
}

// More arguments than registers.
//
//go:noinline
func manyArguments(a, b, c, d, e, f, g, h, i, j, onStack, deadOnStack *leaf) uint64 {
	use(deadOnStack)
	park()
	return useLeaf(a) + useLeaf(onStack)
}

//go:noinline
func result() (r *leaf, s [3]*leaf) {
	r = newLeaf("result")
	s[1] = newLeaf("result_array")
	park()
	return
}

//go:noinline
func interior() {
	l := newLeaf("interior")
	p := &l.words[7]
	park()
	*p = 1
}

type inner struct {
	n *leaf
	m *leaf
}

type outer struct {
	count int
	in    inner
	list  []*leaf
	text  string
	any   interface{}
}

//go:noinline
func touch(o *outer) { o.count++ }

//go:noinline
func stackObject() {
	var o outer
	o.in.n = newLeaf("object_field")
	o.list = []*leaf{newLeaf("object_slice")}
	o.any = newLeaf("object_any")
	touch(&o) // its address is taken, but does not escape
	p := &o
	park()
	touch(p)
}

//go:noinline
func stackObjectUnused() {
	var o outer
	o.in.n = newLeaf("object_dead")
	touch(&o)
	park()
}

// One object on the stack that only another one points to.
type link struct {
	to   *link
	leaf *leaf
}

//go:noinline
func touchLink(l *link) { l.leaf.words[0]++ }

//go:noinline
func linkedObjects() {
	var a, b, c link
	a.leaf, b.leaf, c.leaf = newLeaf("link_a"), newLeaf("link_b"), newLeaf("link_c")
	touchLink(&a)
	touchLink(&b)
	touchLink(&c) // nothing refers to it later
	a.to = &b
	p := &a
	park()
	touchLink(p.to)
}

//go:noinline
func arrays() {
	var array [5]*leaf
	for i := range array {
		array[i] = newLeaf("array_" + string(rune('0'+i)))
	}
	park()
	for i := range array {
		useLeaf(array[i])
	}
}

//go:noinline
func anyInterface() {
	var i interface{} = newNode("interface")
	park()
	runtime.KeepAlive(i)
}

//go:noinline
func slices() {
	s := make([]*leaf, 2, 4)
	s[1] = newLeaf("slice_element")
	s = s[1:]
	park()
	runtime.KeepAlive(s)
}

//go:noinline
func mapIteration() {
	m := map[int]*leaf{1: newLeaf("map_value_1"), 2: newLeaf("map_value_2")}
	for range m {
		park()
	}
}

//go:noinline
func bigFrame() {
	var big [3000]*leaf
	big[2999] = newLeaf("big_array")
	touchBig(&big)
	park()
	touchBig(&big)
}

//go:noinline
func touchBig(b *[3000]*leaf) { b[0] = nil }

//go:noinline
func chain() {
	n := newNode("chain_1")
	n.next = newNode("chain_2")
	n.next.right = newLeaf("chain_3")
	park()
	runtime.KeepAlive(n)
}

// spin runs: only what it will use for sure is asked about.
//
//go:noinline
func spin() {
	l := newLeaf("running_local")
	atomic.AddInt32(&parked, 1)
	for i := uint64(0); ; i++ {
		l.words[i%13] += i
	}
}

func stacks() {
	start(localLive)
	start(localDead)
	start(localReassigned)
	start(func() { argument(newLeaf("argument_live"), newLeaf("argument_dead")) })
	start(func() {
		x := newLeaf("argument_many")
		manyArguments(newLeaf("argument_register"), x, x, x, x, x, x, x, x, x, newLeaf("argument_stack"),
			newLeaf("argument_stack_dead"))
	})
	start(func() { result() })
	start(interior)
	start(stackObject)
	start(stackObjectUnused)
	start(linkedObjects)
	start(arrays)
	start(anyInterface)
	start(slices)
	start(mapIteration)
	start(bigFrame)
	start(chain)
	for i := 0; i < 2; i++ { // the second goroutine of a function must not be taken for the first
		name := "closure_argument_" + string(rune('0'+i))
		start(func() {
			func(l *leaf) {
				park()
				useLeaf(l)
			}(newLeaf(name))
		})
	}
	go func(l *leaf) { // arguments of the go statement
		park()
		useLeaf(l)
	}(newLeaf("go_argument"))
	expected++
}
