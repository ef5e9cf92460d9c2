// dap: what a debugger for editors is shown: steps, calls, values, goroutines, panics, output.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

type point struct {
	X, Y int
	name string
}

type shape interface{ area() int }

func (p *point) area() int { return p.X * p.Y }

var total = 7

//go:noinline
func add(a, b int) int {
	sum := a + b // add: body
	return sum
}

//go:noinline
func twice(n int) int {
	return 2 * n // twice: body
}

//go:noinline
func look(n int) int {
	p := &point{X: n, Y: 2, name: "p"}
	var s shape = p
	list := make([]int, 250)
	for i := range list {
		list[i] = i * n
	}
	ages := map[string]int{"ann": 31, "bob": 44}
	text := "héllo \"world\""
	result := add(n, p.Y) // look: call
	total += result       // look: after
	fmt.Println("look", result, s.area(), len(list), ages["ann"], text, p.name)
	fmt.Println(twice(n) + add(n, 1)) // look: prints
	return result
}

func loop(n int) {
	for i := 0; i < n; i++ {
		total += i // loop: body
	}
	fmt.Println("looped", n)
}

func worker(id int, start, stop *sync.WaitGroup, done chan struct{}) {
	start.Done()
	<-done // worker: waits
	stop.Done()
}

func workers(n int, hold time.Duration) {
	var start, stop sync.WaitGroup
	done := make(chan struct{})
	start.Add(n)
	stop.Add(n)
	for i := 0; i < n; i++ {
		go worker(i, &start, &stop, done)
	}
	start.Wait()
	for all := make([]byte, 1<<22); strings.Count(string(all[:runtime.Stack(all, true)]), "[chan receive") < n; {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("workers", n) // workers: all wait
	time.Sleep(hold)
	close(done)
	stop.Wait()
}

//go:noinline
func deep(n int) int {
	if n == 0 {
		return total // deep: bottom
	}
	return deep(n-1) + 1
}

func fails() {
	var m map[string]int
	m["x"] = 1 // fails: here
}

//go:noinline
func forever() int {
	for {
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func chatter(lines int) int {
	for i := 0; i < lines; i++ {
		fmt.Println("chatter", i)
	}
	return lines
}

func huge(n int) {
	list := make([]int, n)
	words := map[int]string{}
	for i := range list {
		list[i] = 3 * i
		words[i%5000] = strconv.Itoa(i % 5000)
	}
	text := strings.Repeat("0123456789", n)
	fmt.Println("huge", len(list), len(words), len(text)) // huge: made
}

func recovers() {
	defer func() { fmt.Println("recovered", recover()) }()
	fails()
}

func serve() {
	for i := 0; ; i++ {
		if i == 10 {
			fmt.Println("READY")
		}
		total = i
		time.Sleep(time.Millisecond) // serve: tick
	}
}

func main() {
	number := 3
	if len(os.Args) > 2 {
		number, _ = strconv.Atoi(os.Args[2])
	}
	what := "look"
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	switch what { // main: choose
	case "look":
		look(number)
		look(number + 1)
	case "loop":
		loop(number)
	case "workers":
		workers(number, time.Second/10)
	case "hold":
		workers(number, time.Hour)
	case "deep":
		fmt.Println(deep(number))
	case "panic":
		fails()
	case "recover":
		recovers()
		recovers()
	case "fatal":
		<-make(chan int) // fatal: here
	case "huge":
		huge(number)
	case "call":
		chatter(forever())
	case "env":
		dir, _ := os.Getwd()
		fmt.Println(os.Getenv("DAP_TEST"), dir, os.Args[1:])
		fmt.Fprintln(os.Stderr, "to stderr")
		os.Exit(number)
	case "serve":
		serve()
	}
}
