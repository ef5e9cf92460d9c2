// values: every kind of Go value as arguments, locals, package variables and constants, in functions
// that are inlined, recursive, generic, methods and closures.  For tests that read types, variables
// and lines; nothing happens in it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"targets/lib"
)

type color int

const (
	red color = iota
	green
	blue
)

const (
	answer   = 42
	negative = -7
	big      = 1 << 60
)

func (c color) String() string { return [...]string{"red", "green", "blue"}[c] }

type point struct{ x, y int32 }

func (p point) dist() int32 { return p.x*p.x + p.y*p.y }

func (p *point) move(dx, dy int32) *point {
	p.x += dx
	p.y += dy
	return p
}

type base struct {
	id   uint64
	name string
}

func (b *base) label() string { return fmt.Sprint(b.id, b.name) }

type record struct {
	base
	*point
	tags   []string
	attrs  map[string]any
	events chan point
	fn     func(int, ...string) (bool, error)
	grid   [3][2]float64
	c      complex128
	any    any
	err    error
	w      io.Writer
	raw    unsafe.Pointer
	u      uintptr
	b      byte
	ok     bool
	f32    float32
	next   *record
	empty  struct{}
	anon   struct {
		a int8
		b [0]int
	}
	set   map[point]struct{}
	send  chan<- int
	recv  <-chan int
	mu    sync.Mutex
	count atomic.Value
	at    time.Time
}

type number interface {
	~int | ~int32 | ~float64
}

type stack[T any] struct {
	items []T
	last  *T
}

func (s *stack[T]) push(v T) int {
	s.items = append(s.items, v)
	s.last = &s.items[len(s.items)-1]
	return len(s.items)
}

type pair[K comparable, V any] struct {
	key K
	val V
}

func sum[T number](list ...T) (total T) {
	for _, v := range list {
		total += v
	}
	return
}

//go:noinline
func mapped[K comparable, V any](m map[K]V, k K) (pair[K, V], bool) {
	v, ok := m[k]
	return pair[K, V]{k, v}, ok
}

var (
	globalInt    = 7
	globalRecord record
	globalSlice  = []string{"a", "b"}
	globalIface  io.Reader
	globalArray  [4]point
	globalFunc   = func(n int) int { return n + globalInt }
)

func small(a, b int) int { return a*b + 1 }

func middle(a int) int { return small(a, 2) + small(3, a) }

//go:noinline
func many(i8 int8, u16 uint16, f float64, s string, list []point, c color, r *record, e error) (n int, out string) {
	local := middle(int(i8)) + int(u16)
	for i, p := range list {
		q := p.dist()
		if q > 3 {
			inner := point{q, q + 1}
			local += int(inner.move(1, 2).x) + i
		} else {
			other := fmt.Sprint(q)
			out += other
		}
	}
	if e != nil {
		out = strings.ToUpper(e.Error()) + c.String()
	}
	return local + int(f) + len(s) + len(r.tags), out
}

//go:noinline
func deep(n int, r *record) int {
	if n == 0 {
		return len(r.name)
	}
	return deep(n-1, r) + 1
}

//go:noinline
func adder(step int) func(int) int {
	total := 0
	return func(n int) int {
		total += n * step
		return total
	}
}

//go:noinline
func catch(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("caught %v", v)
		}
	}()
	f()
	return nil
}

func use(args ...any) { fmt.Fprintln(io.Discard, args...) }

func main() {
	lib.Dumps()
	r := &record{base: base{1, "one"}, point: &point{1, 2}, attrs: map[string]any{"k": red},
		events: make(chan point, 2), c: 1 + 2i, any: green, err: errors.New("e"), w: os.Stderr,
		set: map[point]struct{}{{1, 2}: {}}, fn: func(n int, s ...string) (bool, error) { return n > len(s), nil }}
	r.next = r
	globalRecord.tags = globalSlice
	ints := &stack[int]{}
	ints.push(answer)
	texts := stack[string]{}
	texts.push("t")
	p, found := mapped(map[string]point{"k": {3, 4}}, "k")
	n, out := many(1, 2, 3.5, "four", []point{{1, 1}, {2, 2}}, blue, r, io.EOF)
	add := adder(3)
	use(n, out, add(4), deep(5, r), sum(1, 2, negative), sum(1.5, 2.5), p, found, r.label(), ints, texts,
		catch(func() { panic(big) }), globalFunc(1), globalIface, globalArray, middle(n))
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(nil)
}
