// latevars: loads the plugins it is given (packages one and two) and calls what is in them; what they print is what their
// variables are.
package main

import (
	"fmt"
	"os"
	"plugin"

	"targets/latevars/shared"
	"targets/lib"
)

type private struct {
	Name string
	At   shared.Point
}

func (p private) Describe() string { return p.Name }

func work(path string) func(int, string, shared.Point, interface{}) (string, error) {
	p, err := plugin.Open(path)
	if err != nil {
		panic(err)
	}
	work, err := p.Lookup("Work")
	if err != nil {
		panic(err)
	}
	return work.(func(int, string, shared.Point, interface{}) (string, error))
}

func main() {
	var results []string
	waits := os.Args[1] == "wait"
	paths := os.Args[1:]
	if waits {
		paths = paths[1:]
	}
	wait := 0
	if waits {
		wait = 1
	}
	for i, path := range paths {
		do := work(path)
		result, err := do(4+wait+i, "label", shared.Point{X: 3, Y: 4 + i}, private{"of main", shared.Point{X: 1, Y: 2}}) // main:call
		results = append(results, fmt.Sprint(result, " ", err))
	}
	held := shared.Held
	fmt.Println("main:", len(results), shared.Top([]string{"b", "a"}), len(held)) // main:stop
	fmt.Printf("main: %+v %d\n", held, shared.Count)
	if waits {
		lib.Ready()
		lib.Commands(map[string]lib.Handler{})
	}
}
