// heapshapes: objects of many shapes, in numbers that it knows.  They hang on interface values, so that
// what they are can be told without debugging information, too.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sort"
	"sync"
	"sync/atomic"

	"targets/lib"
)

type leaf struct{ a, b, c, d uint64 }
type node struct {
	next *node
	leaf *leaf
	name string
	sub  [2]struct{ tags []string }
}
type wide struct {
	ptr  [80]*leaf
	rest [40]uint64
}
type keyed struct{ by map[string]*leaf }
type small struct{ by map[uint64]leaf }
type piped struct {
	in  chan *leaf
	num chan leaf
}
type cell struct{ a, b uint64 }
type link struct {
	to *leaf
	n  int
}
type rests struct {
	text  string
	cells []cell
	links []link
}
type called struct{ fn func() *caught }

// What only a closure keeps.
type caught struct{ a, b uint64 }

type shared struct{ p atomic.Value }
type boxed[T any] struct{ v *T }
type iface interface{ get() *leaf }

func (n *node) get() *leaf    { return n.leaf }
func (b boxed[T]) get() *leaf { return nil }

var kept []any
var counts = map[string]int{}

func count(name string, n int) { counts[name] += n }

//go:noinline
func newLeaf() *leaf { count("main.leaf", 1); return &leaf{1, 2, 3, 4} }

func chain(n int) *node {
	var first *node
	for i := 0; i < n; i++ {
		first = &node{next: first, leaf: newLeaf(), name: fmt.Sprint("a name of a node ", i)}
		first.sub[i%2].tags = make([]string, 1, 3)
		first.sub[i%2].tags[0] = first.name
		count("main.node", 1)
		count("[]string", 1)
	}
	return first
}

// Until 1.23 a map from keys to entries, since then a trie: its nodes are told by their size only.
func fillSync() {
	m := &sync.Map{}
	for i := 0; i < 200; i++ {
		m.Store(i, newLeaf())
	}
	count("sync.entry", 200)
	kept = append(kept, m)
}

// What only pointers into the middle lead to: parts of texts, queues that were taken from at the front.
func cutShort() {
	for i := 0; i < 300; i++ {
		text := fmt.Sprintf("%0200d", i)
		cells := make([]cell, 6)
		links := make([]link, 5)
		links[4].to = newLeaf()
		kept = append(kept, &rests{text[100:150], cells[2:], links[3:]})
		count("string", 1)
		count("main.rests", 1)
		count("[]main.cell", 1)
		count("[]main.link", 1)
	}
}

func fill() {
	fillSync()
	cutShort()
	kept = append(kept, chain(1000))
	for i := 0; i < 50; i++ {
		w := &wide{}
		for k := range w.ptr {
			w.ptr[k] = newLeaf()
		}
		kept = append(kept, w)
		count("main.wide", 1)
		k := &keyed{map[string]*leaf{}}
		for j := 0; j < 4*i; j++ {
			k.by[fmt.Sprint("some key number ", j)] = newLeaf()
		}
		kept = append(kept, k, &small{map[uint64]leaf{7: {}}})
		count("main.keyed", 1)
		count("map[string]*main.leaf", 1)
		count("map[uint64]main.leaf", 1)
		p := &piped{make(chan *leaf, 10), make(chan leaf, 3)}
		p.in <- newLeaf()
		kept = append(kept, p)
		count("main.piped", 1)
		count("chan *main.leaf", 1)
		count("chan main.leaf", 1)
		count("chan *main.leaf (buffer)", 1)
		c := &caught{1, 2}
		kept = append(kept, &called{func() *caught { return c }})
		count("main.caught", 1)
		count("main.called", 1)
		count("main.fill.func1 (closure)", 1)
		s := &shared{}
		s.p.Store(newLeaf())
		kept = append(kept, s, iface(&boxed[leaf]{newLeaf()}))
		count("main.boxed[main.leaf]", 1)
	}
}

func main() {
	fill()
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.GC()
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"counts": func([]string) (string, error) {
		text := ""
		for _, name := range names {
			text += fmt.Sprintf("%s=%d;", name, counts[name])
		}
		return text, nil
	}})
}
