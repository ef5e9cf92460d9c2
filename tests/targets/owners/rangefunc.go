//go:build go1.23

package main

import "unsafe"

func init() { more = append(more, rangeFunc) }

func over(rs []*res) func(func(*res) bool) {
	return func(yield func(*res) bool) {
		for _, r := range rs {
			if !yield(r) {
				return
			}
		}
	}
}

//go:noinline
func lockOver(rs []*res) {
	for r := range over(rs) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r == rs[1] {
			work()
		}
	}
}

// rangeFunc: deferred calls of the body of a range-over-func loop belong to the function around it.
func rangeFunc() {
	rs := []*res{newRes(), newRes()}
	g := spawn(func() { announce(); lockOver(rs) })
	for _, r := range rs {
		waiter(&r.mu)
	}
	expect("range-func-0", "mutex", unsafe.Pointer(&rs[0].mu), g)
	expect("range-func-1", "mutex", unsafe.Pointer(&rs[1].mu), g)
}
