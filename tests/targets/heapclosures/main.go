// heapclosures: closures of every kind, and objects that nothing but closures or plain variables lead
// to.  It knows what each closure captured, under which name and where that is, and how many objects
// of each type it made.
//
//	closures  ADDR NAME=TARGET:TYPE[,NAME=TARGET:TYPE...];...   TYPE of the object at TARGET; names with
//	          a ? are shared by two variables of one type
//	counts    TYPE=N;...
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"unsafe"

	"targets/lib"
)

// Each type is reached in one way only: what closures captured, or one variable.
type item struct {
	next *item
	n    [3]int
}
type node struct {
	up   *node
	name string
	list []*item
}
type copied struct {
	p    *item
	rest [4]uintptr
}
type huge struct {
	p    *item
	rest [90]uintptr // more than 512 bytes: allocation writes the type beside it, since 1.22
}

// What a generic function keeps in a variable of its type parameter has no type: shapes of types share
// the code.
type param struct{ p [11]*param }
type box[T any] struct{ v *T }
type pointed struct{ p *pointed }
type held struct{ p *held }
type listed struct{ p [5]*listed }
type mapped struct{ p [6]*mapped }
type sent struct{ p [7]*sent }
type nested struct{ p [9]*nested }
type root struct {
	users map[string]*mapped
	all   []*listed
}

func (n *node) method() int  { return len(n.list) }
func (c copied) method() int { return len(c.rest) }
func (h huge) method() int   { return int(h.rest[3]) }

var kept []func() int
var names []string
var told []string
var counts = map[string]int{}

// Variables of which, without DWARF, only the code tells what they lead to.
var (
	one     *pointed
	list    []*held
	byName  map[string]*mapped
	pipe    chan *sent
	tree    = &root{users: map[string]*mapped{}}
	literal = []*root{{users: map[string]*mapped{}}}
)

func count(name string, n int) { counts[name] += n }

//go:noinline
func newItem() *item { count("main.item", 1); return &item{n: [3]int{1, 2, 3}} }

//go:noinline
func newNode() *node {
	count("main.node", 1)
	count("[]*main.item", 1)
	n := &node{name: "a node", list: make([]*item, 1, 5)}
	n.list[0] = newItem()
	return n
}

type captured struct {
	name   string
	target unsafe.Pointer
	typ    string
}

func (c captured) String() string { return fmt.Sprintf("%s=%x:%s", c.name, uintptr(c.target), c.typ) }

func keep(f func() int, c ...captured) {
	parts := make([]string, len(c))
	for i, one := range c {
		parts[i] = one.String()
	}
	kept = append(kept, f)
	told = append(told, fmt.Sprintf("%x %s", uintptr(*(*unsafe.Pointer)(unsafe.Pointer(&f))), strings.Join(parts, ",")))
}

//go:noinline
func byValue(it *item, nd *node, s []*node, m map[int]*item, c chan *item, k int) {
	mm, cc := m, c // whose address is taken is shared, not copied
	keep(func() int { return it.n[1] + len(nd.name) + len(s) + len(m) + len(c) + k },
		captured{"it", unsafe.Pointer(it), "main.item"}, captured{"nd", unsafe.Pointer(nd), "main.node"},
		captured{"s", unsafe.Pointer(&s[0]), "[]*main.node"},
		captured{"m", *(*unsafe.Pointer)(unsafe.Pointer(&mm)), "map[int]*main.item"},
		captured{"c", *(*unsafe.Pointer)(unsafe.Pointer(&cc)), "chan *main.item"})
}

//go:noinline
func byReference(n int) {
	it, total := newItem(), 0
	keep(func() int { it = it.next; total += n; return total },
		captured{"it", unsafe.Pointer(&it), "*main.item"})
}

//go:noinline
func sameType(left, right *item) {
	keep(func() int { return left.n[0] - right.n[0] },
		captured{"left?", unsafe.Pointer(left), "main.item"}, captured{"right?", unsafe.Pointer(right), "main.item"})
}

//go:noinline
func inside(it *item) func() func() int {
	return func() func() int {
		nd := newNode()
		f := func() int { return it.n[0] + nd.method() }
		keep(f, captured{"it", unsafe.Pointer(it), "main.item"}, captured{"nd", unsafe.Pointer(nd), "main.node"})
		return f
	}
}

//go:noinline
func ofFunc(f func() int, it *item) {
	ff := f
	keep(func() int { return f() + it.n[2] },
		captured{"f", *(*unsafe.Pointer)(unsafe.Pointer(&ff)), "main.inside.func1.1 (closure)"},
		captured{"it", unsafe.Pointer(it), "main.item"})
}

//go:noinline
func methods() {
	nd, it := newNode(), newItem()
	keep(nd.method, captured{"receiver", unsafe.Pointer(nd), "main.node"})
	keep(copied{p: it}.method, captured{"receiver.p", unsafe.Pointer(it), "main.item"})
	it = newItem()
	keep(huge{p: it}.method, captured{"receiver.p", unsafe.Pointer(it), "main.item"})
}

//go:noinline
func generic[T any](v T, b *box[T], it *item) {
	keep(func() int { list := []T{v, *b.v}; return len(list) + it.n[0] },
		captured{"it", unsafe.Pointer(it), "main.item"})
}

// inlined is small enough to be put into its caller, together with its closure.
func inlined(it *item) func() int { return func() int { return it.n[1] } }

//go:noinline
func waiting(it *item, done chan struct{}, started chan bool) {
	for i := 0; i < 2; i++ {
		x := &nested{}
		count("main.nested", 1)
		defer func() { x.p[i%8] = nil; it.n[0]++ }()
	}
	started <- true
	<-done
}

func closures() {
	for i := 0; i < 20; i++ {
		m := map[int]*item{i: newItem()}
		c := make(chan *item, 3)
		c <- newItem()
		count("map[int]*main.item", 1)
		count("chan *main.item", 1)
		byValue(newItem(), newNode(), []*node{newNode(), newNode()}, m, c, i)
		byReference(i)
		sameType(newItem(), newItem())
		f := inside(newItem())()
		ofFunc(f, newItem())
		methods()
		v := new(param)
		generic(i, &box[int]{&i}, newItem())
		generic("text", &box[string]{new(string)}, newItem())
		generic(v, &box[*param]{&v}, newItem())
		it := newItem()
		keep(inlined(it), captured{"it", unsafe.Pointer(it), "main.item"})
	}
}

//go:noinline
func variables() {
	one = &pointed{&pointed{}}
	count("main.pointed", 2)
	pipe = make(chan *sent, 2)
	pipe <- &sent{}
	count("chan *main.sent", 1)
	count("main.sent", 1)
	byName = make(map[string]*mapped, 100)
	for i := 0; i < 40; i++ {
		list = append(list, &held{})
		tree.all = append(tree.all, &listed{})
		tree.users[fmt.Sprint("user ", i)] = &mapped{}
		literal[0].users[fmt.Sprint("user ", i)] = &mapped{}
		literal[0].all = append(literal[0].all, &listed{})
		byName[fmt.Sprint("name ", i)] = &mapped{}
	}
	count("main.held", 40)
	count("main.listed", 80)
	count("main.mapped", 120)
	count("map[string]*main.mapped", 3)
}

func main() {
	closures()
	variables()
	done, started := make(chan struct{}), make(chan bool)
	for i := 0; i < 3; i++ {
		go waiting(newItem(), done, started)
		<-started
	}
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.GC()
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"closures": func([]string) (string, error) { return strings.Join(told, ";"), nil },
		"counts": func([]string) (string, error) {
			text := ""
			for _, name := range names {
				text += fmt.Sprintf("%s=%d;", name, counts[name])
			}
			return text, nil
		}})
}
