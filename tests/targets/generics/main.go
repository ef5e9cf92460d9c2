// generics: variables of generic functions and types.  Each function says what its variables are: their types and
// values as fmt has them, on lines "truth NAME|TYPE|VALUE", and then stands at a line marked "// FUNC:at".
package main

import (
	"fmt"
	"strings"
)

type number interface{ ~int | ~int64 | ~float64 }

type point struct{ X, Y int }

type meters float64

type list[T any] struct {
	head *item[T]
	n    int
}

type item[T any] struct {
	val  T
	next *item[T]
}

type table[K comparable, V any] struct {
	rows map[K][]V
	last K
}

func say(where string, pairs ...any) {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "truth %s|%v|%T|%v\n", where, pairs[i], pairs[i+1], pairs[i+1])
	}
	fmt.Print(b.String())
}

//go:noinline
func sum[T number](xs []T, start T) T {
	total := start
	for _, x := range xs {
		total += x
	}
	say("sum", "xs", xs, "start", start, "total", total)
	keep(&total)
	return total // sum:at
}

//go:noinline
func (l *list[T]) push(v T) int {
	it := &item[T]{v, l.head}
	l.head = it
	l.n++
	say("push", "v", v, "l.n", l.n, "it.val", it.val)
	return l.n // push:at
}

//go:noinline
func (t *table[K, V]) add(k K, v V) int {
	if t.rows == nil {
		t.rows = map[K][]V{}
	}
	t.rows[k] = append(t.rows[k], v)
	t.last = k
	all := t.rows[k]
	say("add", "k", k, "v", v, "all", all, "t.rows", t.rows)
	return len(all) // add:at
}

//go:noinline
func each[T any, R any](xs []T, f func(T) R) []R {
	var out []R
	for i, x := range xs {
		var one T = x
		r := f(one)
		out = append(out, r)
		func() {
			inner := one
			say("each.func1", "inner", inner, "i", i)
			keep(&inner) // inner:at
		}()
	}
	say("each", "xs", xs, "out", out)
	return out // each:at
}

// alike has two type arguments of one shape.
//
//go:noinline
func alike[A, B number](a A, b B) float64 {
	x, y := a, b
	say("alike", "a", a, "b", b)
	keep(&x)
	keep(&y)
	return float64(x) + float64(y) // alike:at
}

//go:noinline
func unused[T any](v T) *T {
	p := &v
	return p // unused:at
}

//go:noinline
func keep(p any) { sink = p }

var sink any

func main() {
	sum([]int{1, 2, 3}, 10)
	sum([]float64{0.5, 1.5}, 1)
	sum([]meters{1, 2}, 3)
	ints := &list[int]{}
	ints.push(7)
	points := &list[point]{}
	points.push(point{1, 2})
	pp := &list[*point]{}
	pp.push(&point{3, 4})
	t := &table[string, point]{}
	t.add("a", point{5, 6})
	each([]string{"x"}, func(s string) int { return len(s) })
	each([]point{{8, 9}}, func(p point) *point { return &p })
	fmt.Println(alike(meters(1.5), 2.5))
	fmt.Println(*unused(3), *unused("s"), ints.n, points.n, pp.n)
}
