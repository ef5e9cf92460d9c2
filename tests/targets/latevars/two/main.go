// two: another plugin; it has types and variables of the same names as one.
package main

import (
	"fmt"

	"targets/latevars/shared"
)

type item struct{ Weight, Height uint16 }

func (i item) Describe() string { return fmt.Sprint(i.Weight, "x", i.Height) }

var total = "nothing"
var sink []interface{}

//go:noinline
func stop() {}

// Work has variables of types that one has, too.
//
//go:noinline
func Work(n int, label string, at shared.Point, given interface{}) (result string, err error) {
	list := []item{{1, 2}, {3, 4}}
	var held shared.Describer = list[1]
	shared.Count++
	shared.Held = append(shared.Held, list[0])
	total += "!"
	stop() // two:stop
	fmt.Println("two:", n, label, list[0].Weight, held.(item).Height, total, shared.Count, at.Y, len(shared.Held))
	sink = append(sink[:0], &list, &held)
	return total, nil
}

func main() {}
