//go:build go1.23

package main

func init() { newer = append(newer, iterators) }

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
