// terminal: something of everything that the commands of the terminal debugger look at.  What it prints is the truth
// that tests compare with; lines that they name are marked "// label".
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type point struct{ X, Y int }

type order struct {
	ID    int
	Name  string
	At    *point
	Tags  []string
	Count map[string]int
}

var (
	total   = 41
	greeted = "nobody"
	hub     = make(chan int)
	many    [1000000]int
	long    = strings.Repeat("0123456789", 10000)
)

//go:noinline
func add(a, b int) (sum int) {
	sum = a + b // add:sum
	return sum  // add:return
}

//go:noinline
func (o *order) grow(by int) int {
	o.ID += by // grow
	return o.ID
}

//go:noinline
func farewell(name string) {
	fmt.Println("bye", name)
}

//go:noinline
func work(o *order) int {
	defer farewell(o.Name)
	sum := 0
	for i := 0; i < 5; i++ { // work:for
		sum = add(sum, i) // work:add
		o.grow(i)         // work:grow
	}
	total += sum // work:total
	return sum   // work:return
}

func waiter(ready *sync.WaitGroup) {
	ready.Done()
	<-hub // waiter
}

//go:noinline
func greet(name string) {
	greeted = name // greet
	fmt.Println("hello", name)
}

func spin() {
	fmt.Println("spinning")
	for {
		time.Sleep(time.Millisecond)
	}
}

func main() {
	var ready sync.WaitGroup
	many[len(many)-1] = len(long)
	ready.Add(3)
	for i := 0; i < 3; i++ {
		pprof.Do(context.Background(), pprof.Labels("job", fmt.Sprint("w", i)), func(context.Context) { go waiter(&ready) })
	}
	ready.Wait()
	for all := make([]byte, 1<<16); strings.Count(string(all[:runtime.Stack(all, true)]), "[chan receive") < 3; {
		time.Sleep(time.Millisecond)
	}
	o := &order{ID: 7, Name: "Ada", At: &point{3, -4}, Tags: []string{"x", "yy"}, Count: map[string]int{"k": 9}}
	n := work(o) // main:work
	fmt.Println("sum", n, "id", o.ID, "total", total, "args", os.Args[1:])
	if len(os.Args) > 1 && os.Args[1] == "read" {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		greet(line)
	}
	if len(os.Args) > 1 && os.Args[1] == "spin" {
		spin()
	}
	if len(os.Args) > 1 && os.Args[1] == "panic" {
		panic("out of order")
	}
}
