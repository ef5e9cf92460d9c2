// plugged: loads the plugin it is given (package part), which makes objects; what it made is told.
package main

import (
	"os"
	"plugin"
	"runtime"

	"targets/lib"
)

func main() {
	p, err := plugin.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	fill, err := p.Lookup("Fill")
	if err != nil {
		panic(err)
	}
	made := fill.(func() string)()
	runtime.GC()
	runtime.GC()
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"counts": func([]string) (string, error) { return made, nil }})
}
