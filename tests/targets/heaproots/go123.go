//go:build go1.23

package main

import (
	"iter"
	"unique"
)

func init() { newer = append(newer, iterators, coroutines, uniques) }

//go:noinline
func sequence(l *leaf) func(func(*leaf) bool) {
	return func(yield func(*leaf) bool) {
		mine := newLeaf("iterator_local")
		if yield(l) {
			useLeaf(mine)
		}
	}
}

//go:noinline
func rangeFunc() {
	outer := newLeaf("iterator_outer")
	for l := range sequence(newLeaf("iterator_value")) {
		defer useLeaf(newLeaf("iterator_defer"))
		park()
		useLeaf(l)
	}
	useLeaf(outer)
}

func iterators() { start(rangeFunc) }

// ---- coroutines ----

var pulled func() (*leaf, bool)

//go:noinline
func pull(name string) func() (*leaf, bool) {
	next, _ := iter.Pull(iter.Seq[*leaf](sequenceOf(name)))
	next()
	return next
}

func sequenceOf(name string) func(func(*leaf) bool) {
	return func(yield func(*leaf) bool) {
		mine := newLeaf(name)
		yield(newLeaf(name + "_given"))
		useLeaf(mine)
	}
}

func coroutines() {
	pulled = pull("pull_kept")
	pull("pull_dropped") // its goroutine stays for ever
}

// ---- values that are the same ----

type one struct {
	l    *leaf
	text string
}

var uniqueKept unique.Handle[one]

//go:noinline
func uniques() {
	uniqueKept = unique.Make(one{newLeaf("unique_kept"), "kept"})
	unique.Make(one{newLeaf("unique_dropped"), "dropped"})
}
