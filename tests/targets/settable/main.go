// settable: variables for a debugger to set.  What they hold is printed twice, with collections in between: what was set
// must be alive.  Lines that tests name are marked "// label".
package main

import (
	"fmt"
	"runtime"
)

type word string

type shape interface{ Area() int }

type square struct{ side int }

func (s square) Area() int { return s.side * s.side }

type holder struct {
	Name  string
	Any   interface{}
	Shape shape
	Do    func(int) int
	Word  word
	Count int
}

var (
	global = "global"
	sq     = square{3}
)

//go:noinline
func once(n int) int { return n }

//go:noinline
func twice(n int) int { return 2 * n }

//go:noinline
func show(name string, h *holder) {
	fmt.Println("it is", name, h.Name, h.Any, h.Shape.Area(), h.Do(21), h.Word, h.Count, global) // show:print
}

func main() {
	h := &holder{Name: "none", Any: 1, Shape: square{1}, Do: once, Word: "w"}
	for i := 0; i < 2; i++ {
		show("nobody", h)
		for k := 0; k < 10; k++ {
			runtime.GC()
		}
	}
	fmt.Println(twice(1), sq)
}
