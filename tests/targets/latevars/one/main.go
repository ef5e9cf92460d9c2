// one: a plugin whose variables are looked at.  What it prints is what they are.  Lines that tests name are marked "// label".
package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"targets/latevars/shared"
)

type level int

const (
	low level = iota + 1
	middle
	high
)

type item struct {
	Name  string
	Price float64
	Next  *item
}

func (i *item) Describe() string { return i.Name }

type basket struct {
	shared.Point
	items []item
	by    map[string]int
	grade level
}

var total int64 = 100
var state = basket{Point: shared.Point{X: 7, Y: 8}, by: map[string]int{"a": 1}, grade: middle}
var when = 90 * time.Second
var any interface{} = &item{Name: "kept", Price: 2.5}
var sink []interface{}
var fail = errors.New("a failure")

//go:noinline
func twice(n int) int { return n * 2 }

//go:noinline
func greater[T int | string](a, b T) T {
	if a > b {
		return a // one:greater
	}
	return b
}

// what says what types the code of this plugin compares with.
//
//go:noinline
func what(x interface{}) string {
	switch x.(type) {
	case shared.Point:
		return "point"
	case item:
		return "item"
	case level:
		return "level"
	case fmt.Stringer:
		return "stringer"
	case shared.Describer:
		return "describer"
	}
	return "else"
}

//go:noinline
func stop(what string) { sink = append(sink[:0], &what) }

// Work has variables of many kinds.
//
//go:noinline
func Work(n int, label string, at shared.Point, given interface{}) (result string, err error) {
	sum := twice(n)
	list := []item{{Name: "x", Price: 1.5}, {Name: "y", Price: 2}}
	list[0].Next = &list[1]
	table := map[string]level{label: high}
	mine := basket{Point: at, items: list, by: map[string]int{label: n}, grade: low}
	var held shared.Describer = &list[0]
	took := time.Duration(n) * time.Millisecond
	queue := make(chan item, 3)
	queue <- list[1]
	add := func(by int) int {
		sum += by
		total += int64(by)
		fmt.Println("inside:", sum, by, total, n) // one:inside
		return sum
	}
	add(5)
	shared.Count++
	shared.Held = append(shared.Held, list[0], mine.grade, given, at)
	most := greater(label, "la") + fmt.Sprint(greater(n, 2))
	top := shared.Top([]int{n, sum})
	kinds := what(at) + what(list[0]) + what(mine.grade) + what(took) + what(given)
	stop(kinds) // one:stop
	fmt.Println("one:", n, label, at.X, at.Y, sum, total, shared.Count, most, top, took, held.Describe(), len(table), mine.by[label], mine.grade, kinds)
	fmt.Println("one:", list[0].Name, list[0].Price, list[0].Next.Name, len(queue), cap(queue), state.X, state.by["a"], state.grade, when, any.(*item).Name, any.(*item).Price*2, what(at), high-low) // one:again
	sink = append(sink[:0], &list, &table, &mine, &held, &took, &queue, &most, &top)
	if n > 4 {
		gate.Lock()
		go Hold("held back")
	}
	return label + "!", fail // one:return
}

var gate sync.Mutex

// Hold waits for something that only the plugin has.
//
//go:noinline
func Hold(name string) {
	kept := []item{{Name: name, Price: 0.5}}
	sink = append(sink, &kept)
	gate.Lock() // one:hold
	fmt.Println(kept)
}

func main() {}
