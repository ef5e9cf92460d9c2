// corners: where a debugging session meets the edges of Go: another program, children, ends, C, variables whose
// function does not return.  Lines that tests name are marked with comments "// name:label".
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var sink int

//go:noinline
func add(a, b int) int {
	return a + b // add
}

//go:noinline
func becomes() {
	sink = add(1, 2)                                                                  // exec:before
	err := syscall.Exec("/proc/self/exe", []string{"corners", "after"}, os.Environ()) // exec:exec
	panic(err)
}

//go:noinline
func visit(n int) int {
	return n + sink // visit
}

//go:noinline
func children() {
	for n := 0; n < 12; n++ {
		visit(n)
		if err := exec.Command("/bin/true").Run(); err != nil { // children:run
			panic(err)
		}
	}
	sink = 1 // children:end
}

//go:noinline
func leaves() {
	sink = 1   // exit:before
	os.Exit(3) // exit:exit
}

//go:noinline
func panics() {
	w := 1        // panics:1
	w = add(w, 2) // panics:2
	p := &w
	if *p > 0 {
		panic("away") // panics:panic
	}
	sink = w
}

//go:noinline
func recovers() {
	defer func() { recover() }()
	between()
	sink = 5
}

//go:noinline
func between() {
	panics()
	sink = 6
}

//go:noinline
func goexits() {
	w := 1        // goexits:1
	w = add(w, 2) // goexits:2
	p := &w
	if *p > 0 {
		runtime.Goexit() // goexits:goexit
	}
	sink = w
}

//go:noinline
func param(p int) int {
	sink = 3       // param:1
	p = add(p, 1)  // param:2
	p = add(p, 40) // param:3
	return p       // param:return
}

// apart runs f in a goroutine, and waits until that is gone: Done is called before its end.
func apart(f func()) {
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() { defer wg.Done(); f() }()
	wg.Wait()
	for runtime.NumGoroutine() > before {
		time.Sleep(time.Millisecond)
	}
	sink = 9 // apart:after
}

func main() {
	runtime.GOMAXPROCS(2)
	for _, what := range os.Args[1:] {
		run(what)
	}
	fmt.Println("end") // main:end
}

func run(what string) {
	switch what {
	case "exec":
		becomes()
	case "after":
		sink = visit(5) // after
	case "children":
		children()
	case "exit":
		leaves()
	case "panics":
		apart(recovers)
	case "goexits":
		apart(goexits)
	case "param":
		sink = param(4)
	case "forever":
		fmt.Println("READY")
		for n := 0; ; n++ {
			visit(n)
			time.Sleep(time.Millisecond)
		}
	case "long":
		sink = waits(2000)
	case "cgo":
		crossing()
	case "inc":
		inC()
	}
}

//go:noinline
func waits(n int) int {
	for i := 0; i < n; i++ {
		time.Sleep(10 * time.Millisecond) // waits:sleep
	}
	return n // waits:return
}
