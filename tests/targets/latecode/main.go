// latecode: loads the plugin it is given (package late) and calls what is in it, several goroutines at once; what it
// prints is what happened.
package main

import (
	"fmt"
	"os"
	"plugin"
	"sync"

	"targets/lib"
)

func open(path string) func(int) int {
	p, err := plugin.Open(path)
	if err != nil {
		panic(err)
	}
	work, err := p.Lookup("Work")
	if err != nil {
		panic(err)
	}
	return work.(func(int) int)
}

func main() {
	work := open(os.Args[1])
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			work(5)
		}()
	}
	all.Wait()
	fmt.Println("worked", open(os.Args[1])(1))
	if len(os.Args) > 2 { // to be looked at
		lib.Ready()
		lib.Commands(map[string]lib.Handler{})
	}
}
