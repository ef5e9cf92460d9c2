// stepping: a function for each thing that stepping must get right; the argument says which one runs.  Lines that
// tests name are marked with comments "// name:label"; tests read the source for them.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var sink int

//go:noinline
func add(a, b int) int {
	return a + b // add
}

type shape interface{ area() int }
type square struct{ side int }

//go:noinline
func (s square) area() int {
	return s.side * s.side // area
}

type wrapped struct{ square }

//go:noinline
func lines() int {
	x := 1                   // lines:1
	x = add(x, 2)            // lines:2
	for i := 0; i < 2; i++ { // lines:for
		x += i // lines:body
	}
	if x > 100 { // lines:if
		x = 0
	}
	return x // lines:return
}

//go:noinline
func fact(n int) int {
	if n < 2 { // fact:if
		return 1 // fact:one
	}
	m := fact(n - 1) // fact:call
	return n * m     // fact:return
}

//go:noinline
func deferred() {
	sink += 100 // deferred
}

//go:noinline
func withDefer() int {
	for i := 0; i < 1; i++ {
		defer deferred() // defer:defer
	}
	sink++      // defer:work
	return sink // defer:return
}

//go:noinline
func boom(s []int) {
	sink = s[5] // boom
}

//go:noinline
func recovers() {
	defer func() {
		r := recover()  // recover:recover
		print(r == nil) // recover:after
	}()
	boom(make([]int, 1)) // recover:boom
	sink = 7             // recover:never
}

//go:noinline
func quietly() {
	defer func() {
		recover() // quietly:recover
	}()
	boom(make([]int, 1))
}

//go:noinline
func overPanic() {
	quietly() // over:call
	sink = 8  // over:after
}

//go:noinline
func callRecovers() {
	recovers() // callrecovers:call
	sink = 9   // callrecovers:after
}

//go:noinline
func dispatch(s shape, f func(int) int) int {
	a := s.area() // dispatch:iface
	b := f(a)     // dispatch:closure
	return a + b  // dispatch:return
}

//go:noinline
func blocks(c chan int) int {
	sink = 1 // blocks:1
	v := <-c // blocks:recv
	sink = v // blocks:2
	return v
}

func sum[T int | float64](v []T) T {
	var t T
	for _, x := range v { // sum:for
		t += x // sum:body
	}
	return t // sum:return
}

//go:noinline
func generic() {
	sink = sum([]int{1, 2})  // generic:int
	_ = sum([]float64{1, 2}) // generic:float
	sink = 3                 // generic:end
}

//go:noinline
func spawn() {
	done := make(chan bool) // spawn:make
	go func() {
		sink = 5     // spawn:inner
		done <- true // spawn:send
	}()
	<-done   // spawn:recv
	sink = 6 // spawn:end
}

//go:noinline
func grow(n int) int {
	var pad [512]byte
	if n == 0 {
		return int(pad[0])
	}
	return grow(n-1) + int(pad[n]) // grow
}

//go:noinline
func moves() int {
	a := 1        // moves:1
	b := grow(90) // moves:grow
	return a + b  // moves:return
}

//go:noinline
func watched() int {
	w := 1                // watch:1
	w = add(w, 2)         // watch:2
	w += grow(90)         // watch:3
	w = add(w, grow(1)+4) // watch:4
	sink += w             // watch:sink
	return w              // watch:return
}

//go:noinline
func exits() {
	sink = 1         // exits:1
	runtime.Goexit() // exits:goexit
}

func small(x int) int {
	y := x + 1   // small:1
	return y * 2 // small:2
}

//go:noinline
func inlines() int {
	a := small(sink) // inlines:call
	sink = a         // inlines:after
	return a
}

type pair struct {
	a int8
	b string
}

//go:noinline
func results(n int, pad [3]int64) (i int, s string, f float64, p pair, l []int, e error, big [2]int64, ok bool) {
	return n + 1, "text", 2.5, pair{7, "in"}, []int{n, 2}, fmt.Errorf("wrong %d", n), [2]int64{pad[0], 9}, true
}

// crowd: many goroutines pass the same line.
//
//go:noinline
func visit(id, n int) int {
	return id + n // visit
}

func crowd(goroutines, rounds int) {
	var wg sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		wg.Add(1)
		go func(id int) {
			defer wg.Done()
			for n := 0; n < rounds; n++ {
				visit(id, n)
			}
		}(g)
	}
	wg.Wait()
	fmt.Println("crowd done") // crowd:done
}

//go:noinline
func amid(n int) int {
	x := n          // amid:1
	x = visit(x, 1) // amid:2
	x = visit(x, 2) // amid:3
	return x        // amid:4
}

func noise(stop chan bool) {
	for i := 0; i < 4; i++ {
		go func() {
			for n := 0; ; n++ {
				amid(n)
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
	}
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
	case "lines":
		lines()
	case "fact":
		fact(4)
	case "defer":
		withDefer()
	case "recover":
		callRecovers()
	case "over":
		overPanic()
	case "dispatch":
		k := 3
		dispatch(wrapped{square{2}}, func(x int) int {
			return x + k // closure
		})
	case "blocks":
		c := make(chan int)
		go func() { time.Sleep(20 * time.Millisecond); c <- 4 }()
		blocks(c)
	case "generic":
		generic()
	case "spawn":
		spawn()
	case "moves":
		var wg sync.WaitGroup
		wg.Add(1)
		go func() { defer wg.Done(); moves() }()
		wg.Wait()
	case "watched":
		var wg sync.WaitGroup
		wg.Add(1)
		go func() { defer wg.Done(); watched() }()
		wg.Wait()
	case "exits":
		var wg sync.WaitGroup
		wg.Add(1)
		go func() { defer wg.Done(); exits() }()
		wg.Wait()
	case "inlines":
		inlines()
	case "results":
		results(4, [3]int64{8, 0, 0})
	case "crowd":
		crowd(100, 200)
	case "amid":
		stop := make(chan bool)
		noise(stop)
		for n := 0; n < 300; n++ {
			amid(n)
			runtime.Gosched()
		}
		close(stop)
	case "panic":
		boom(nil)
	case "value":
		panic(fmt.Errorf("broken %d", 7))
	case "fatal":
		var m sync.Mutex
		m.Unlock()
	case "trap":
		runtime.Breakpoint() // trap
	case "range":
		ranges()
	case "nested":
		nested()
	case "forever":
		fmt.Println("READY")
		for n := 0; ; n++ {
			visit(0, n)
			time.Sleep(time.Millisecond)
		}
	}
}
