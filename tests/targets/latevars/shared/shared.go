// shared: a package that the program and its plugins have.
package shared

import "fmt"

// Count is the program's, whoever asks.
var Count = 1000

type Point struct{ X, Y int }

func (p Point) Describe() string { return fmt.Sprintf("(%d,%d)", p.X, p.Y) }

type Describer interface{ Describe() string }

// Held is set by plugins and looked at by the program.
var Held []interface{}

// Top is what a generic function of both is.
//
//go:noinline
func Top[T int | string | float64](list []T) T {
	best := list[0]
	for _, x := range list {
		if x > best {
			best = x
		}
	}
	return best // shared:top
}
