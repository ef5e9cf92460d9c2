package main

import (
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

type edge struct{ offset, target uintptr }

// object is what we know of one: where it is, and every pointer in it.
type object struct {
	name       string
	addr, size uintptr
	edges      []edge
}

var (
	known []object
	keep  []interface{} // what must live, besides the globals
	root  unsafe.Pointer
)

// add notes an object that lives as long as v does.  refs: offset, target, offset, target ...
func add(name string, v interface{}, p unsafe.Pointer, size uintptr, refs ...uintptr) {
	o := object{name: name, addr: uintptr(p), size: size}
	for i := 0; i < len(refs); i += 2 {
		if refs[i+1] != 0 {
			o.edges = append(o.edges, edge{refs[i], refs[i+1]})
		}
	}
	known = append(known, o)
	keep = append(keep, v)
}

func word(p unsafe.Pointer, offset uintptr) uintptr {
	return *(*uintptr)(unsafe.Pointer(uintptr(p) + offset))
}

// refsOf is the words of an object at these offsets, as what they point to.
func refsOf(p unsafe.Pointer, offsets ...uintptr) []uintptr {
	var refs []uintptr
	for _, off := range offsets {
		refs = append(refs, off, word(p, off))
	}
	return refs
}

// every is the offsets first, first+step ... below end.
func every(first, step, end uintptr) []uintptr {
	var offsets []uintptr
	for off := first; off < end; off += step {
		offsets = append(offsets, off)
	}
	return offsets
}

type node struct {
	next  *node
	value int
	other uintptr // an address that must not count
	prev  *node
}

type tree struct {
	key         int
	left, right *tree
}

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{depth, grow(depth - 1), grow(depth - 1)}
}

func addTree(t *tree) {
	if t == nil {
		return
	}
	p := unsafe.Pointer(t)
	add("tree", t, p, unsafe.Sizeof(*t), refsOf(p, 8, 16)...)
	addTree(t.left)
	addTree(t.right)
}

type cell struct {
	a int
	p *node
	b [3]int
	q *[2]int
}
type row [7]cell
type grid [5]row // 1,960 bytes: arrays of arrays of structures, an object with a header

type speaker interface{ speak() int }

type loud struct{ n *int }

func (l *loud) speak() int { return *l.n }

type huge struct {
	item [40000]struct {
		p *node
		n int
	}
	tail [64]uintptr
} // 640 KB: masks of such types were programs until Go 1.23

func number(n int) *int { return &n }

func makeList() *node {
	first := new(node)
	last := first
	for i := 0; i < 300; i++ {
		n := &node{value: i, prev: last}
		n.other = uintptr(unsafe.Pointer(last))
		last.next = n
		last = n
	}
	for n := first; n != nil; n = n.next {
		p := unsafe.Pointer(n)
		add("list", n, p, unsafe.Sizeof(*n), refsOf(p, 0, 24)...)
	}
	return first
}

// sparse is how far apart the pointers of an array of n are: large ones need not be full.
func sparse(n int) int { return 1 + n/1000 }

func makeArrays(list *node) {
	g := new(grid)
	for i := range g {
		for k := range g[i] {
			c := &g[i][k]
			list = list.next
			c.p = list
			c.q = new([2]int)
			c.a = int(uintptr(unsafe.Pointer(c.q)))
		}
	}
	p := unsafe.Pointer(g)
	size := unsafe.Sizeof(cell{})
	add("grid", g, p, unsafe.Sizeof(*g),
		append(refsOf(p, every(8, size, unsafe.Sizeof(*g))...), refsOf(p, every(40, size, unsafe.Sizeof(*g))...)...)...)
	for _, n := range []int{1, 63, 64, 65, 100, 1000, 4000, 4096, 10000, 131072, 1000000} {
		s := make([]*node, n)
		for i := 0; i < n; i += sparse(n) {
			s[i] = list
		}
		q := unsafe.Pointer(&s[0])
		add("pointers", s, q, 8*uintptr(n), refsOf(q, every(0, 8, 8*uintptr(n))...)...)
	}
	for _, n := range []int{3, 50, 5000, 300000} { // three words each, pointers into the middle of others
		s := make([]struct {
			n int
			p *int
			s uintptr
		}, n)
		for i := 0; i < n; i += sparse(n) {
			s[i].p = &list.value
			s[i].s = uintptr(unsafe.Pointer(list))
		}
		q := unsafe.Pointer(&s[0])
		add("triples", s, q, 24*uintptr(n), refsOf(q, every(8, 24, 24*uintptr(n))...)...)
	}
	h := new(huge)
	for i := 0; i < len(h.item); i += sparse(len(h.item)) {
		h.item[i].p = list
		h.item[i].n = int(uintptr(unsafe.Pointer(list)))
	}
	q := unsafe.Pointer(h)
	add("huge", h, q, unsafe.Sizeof(*h), refsOf(q, every(0, 16, 640000)...)...)
}

func makeValues(list *node) {
	values := make([]interface{}, 0, 6)
	values = append(values, number(1000), "a string "[:len(keep)%2+5], 3.25, list, &loud{number(4)}, [3]*node{list, nil, list})
	p := unsafe.Pointer(&values[0])
	var refs []uintptr
	for i := range values {
		if i != 1 { // its header lies in the heap, its text does not
			refs = append(refs, refsOf(p, uintptr(16*i+8))...)
		}
	}
	refs = append(refs, refsOf(p, 24)...)
	add("interfaces", values, p, 96, refs...)

	speakers := []speaker{&loud{number(1)}, &loud{number(2)}}
	p = unsafe.Pointer(&speakers[0])
	add("speakers", speakers, p, 32, refsOf(p, 8, 24)...)

	captured := number(5)
	f := func() int { *captured++; return list.value }
	p = *(*unsafe.Pointer)(unsafe.Pointer(&f))
	add("closure", f, p, 24, refsOf(p, 8, 16)...)

	ch := make(chan *node, 100)
	for i := 0; i < 50; i++ {
		ch <- list
	}
	p = *(*unsafe.Pointer)(unsafe.Pointer(&ch))
	buf := *(*unsafe.Pointer)(unsafe.Pointer(uintptr(p) + 16))
	add("chanbuf", ch, buf, 800, refsOf(buf, every(0, 8, 400)...)...)

	inner := make([]byte, 100)
	mixed := &struct {
		whole, part []byte
		p           unsafe.Pointer
		s           string
	}{inner, inner[10:20], unsafe.Pointer(&inner[99]), string(inner[3:50])}
	p = unsafe.Pointer(mixed)
	add("mixed", mixed, p, unsafe.Sizeof(*mixed), refsOf(p, 0, 24, 48, 56)...)

	tiny := make([]*byte, 64)
	for i := range tiny {
		b := byte(i)
		tiny[i] = new(byte)
		*tiny[i] = b
	}
	p = unsafe.Pointer(&tiny[0])
	add("tiny", tiny, p, 512, refsOf(p, every(0, 8, 512)...)...)
}

// makeReflected makes objects of types that exist since now.
func makeReflected(list *node) {
	t := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeOf(0)},
		{Name: "B", Type: reflect.TypeOf(list)},
		{Name: "C", Type: reflect.ArrayOf(100, reflect.TypeOf([2]uintptr{}))},
		{Name: "D", Type: reflect.TypeOf(list)},
	})
	v := reflect.New(t)
	v.Elem().Field(1).Set(reflect.ValueOf(list))
	v.Elem().Field(3).Set(reflect.ValueOf(list))
	p := unsafe.Pointer(v.Pointer())
	add("reflected", v.Interface(), p, t.Size(), refsOf(p, 8, 1616)...)

	a := reflect.New(reflect.ArrayOf(3000, t))
	for i := 0; i < 3000; i += 7 {
		a.Elem().Index(i).Field(3).Set(reflect.ValueOf(list))
	}
	p = unsafe.Pointer(a.Pointer())
	add("reflected array", a.Interface(), p, 3000*t.Size(), refsOf(p, every(1616, 7*t.Size(), 3000*t.Size())...)...)
}

var pool sync.Pool
var names = map[string]*node{}
var numbers = map[int]int{}

func makeAll() {
	list := makeList()
	root = unsafe.Pointer(list)
	t := grow(9)
	addTree(t)
	makeArrays(list)
	makeValues(list)
	makeReflected(list)
	makeArena(list)
	for i := 0; i < 5000; i++ {
		numbers[i] = i
		names[string(rune('a'+i%26))+string(rune('A'+i/26))] = list
	}
	for i := 0; i < 1000; i++ {
		delete(numbers, i*3)
	}
	for i := 0; i < 100; i++ {
		pool.Put(new(node))
		n := &node{next: list}
		runtime.SetFinalizer(n, func(*node) {})
		keep = append(keep, n)
	}
	keep = append(keep, make([]byte, 3<<20), make([]uint64, 70), make(map[node]bool))
	garbage()
}

//go:noinline
func garbage() {
	var list *node
	for i := 0; i < 20000; i++ {
		list = &node{next: list}
		if i%3 == 0 {
			keep = append(keep, &node{value: i})
		}
	}
}

// makeYoung makes objects that no collection has seen.
func makeYoung() {
	first := (*node)(root)
	for i := 0; i < 1000; i++ {
		n := &node{next: first}
		p := unsafe.Pointer(n)
		add("young", n, p, unsafe.Sizeof(*n), refsOf(p, 0)...)
	}
}

var sink [4]interface{}

func churn() {
	debug.SetGCPercent(20)
	for k := range sink {
		go func(k int) {
			for {
				var list *node
				for i := 0; i < 1000; i++ {
					list = &node{next: list}
				}
				sink[k] = list
				sink[k] = make([]*node, 300)
			}
		}(k)
	}
}
