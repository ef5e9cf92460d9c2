// called is made to call functions by debuggers that are killed meanwhile, and looks after itself.
//
// work() holds values in all kinds of registers across the line where it is stopped, and knows what
// must come of them.  Commands on stdin, one answer each: "rounds" how often it was right, "wrong"
// how often it was not, "made" how many of the functions below have run to their end, "begun" how many
// spins() there were, "usr1" how often that signal came, "free" lets spins() end, "gc" collects garbage.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	rounds, wrong, begun, made, usr1 int64
	released                         int32
	sink                             int
)

//go:noinline
func touch(n int) int { return n + sink }

// All of these are alive from before the line "stop" until behind it.
//
//go:noinline
func work(n int, f float64) (int, float64) {
	a, b, c, d, e := n+1, n*3, n^5, n-7, n<<2
	p, q, r, s, t := f+0.5, f*1.5, f-2.25, f/3, f*f
	on := n&1 == 0
	own := [4]int{n, a, b, c}
	at := &own
	for i := 0; i < 3; i++ {
		a += b ^ i // loop
		p += q * float64(i)
		at[i] += d
		c += a * 3 // stop
		r -= s * float64(a&7)
		if on {
			e ^= c
			t += p
		}
		d += e
	}
	return a + b*3 + c*5 + d*7 + e*11 + at[0] + at[1] + at[2]*2 + at[3], p + q*2 + r*3 + s*5 + t*7
}

// The same without a place to stop.
//
//go:noinline
func truth(n int, f float64) (int, float64) {
	a, b, c, d, e := n+1, n*3, n^5, n-7, n<<2
	p, q, r, s, t := f+0.5, f*1.5, f-2.25, f/3, f*f
	on := n&1 == 0
	own := [4]int{n, a, b, c}
	at := &own
	for i := 0; i < 3; i++ {
		a += b ^ i
		p += q * float64(i)
		at[i] += d
		c += a * 3
		r -= s * float64(a&7)
		if on {
			e ^= c
			t += p
		}
		d += e
	}
	return a + b*3 + c*5 + d*7 + e*11 + at[0] + at[1] + at[2]*2 + at[3], p + q*2 + r*3 + s*5 + t*7
}

//go:noinline
func add(a, b int) int {
	defer atomic.AddInt64(&made, 1)
	return a + touch(b)
}

//go:noinline
func half(x float64) float64 { atomic.AddInt64(&made, 1); return x / 2 }

//go:noinline
func join(a, b string) string { atomic.AddInt64(&made, 1); return a + b }

//go:noinline
func deep(n int) int {
	var pad [64]int
	if n == 0 {
		atomic.AddInt64(&made, 1)
		return 0
	}
	pad[n%64] = n
	return deep(n-1) + pad[n%64]/n
}

//go:noinline
func fails(text string) int {
	if text != "" {
		panic(errors.New(text))
	}
	return 0
}

//go:noinline
func waits() int {
	done := make(chan int)
	go func() { time.Sleep(time.Millisecond); done <- 3 }()
	atomic.AddInt64(&made, 1)
	return <-done
}

//go:noinline
func collects(n int) *int {
	p := new(int)
	*p = n
	runtime.GC()
	atomic.AddInt64(&made, 1)
	return p
}

//go:noinline
func inner(n int) int {
	n = touch(n)
	return touch(n) + 1 // inner
}

//go:noinline
func outer(n int) int { n = inner(n); atomic.AddInt64(&made, 1); return n * 2 }

//go:noinline
func spins() int {
	atomic.AddInt64(&begun, 1)
	for atomic.LoadInt32(&released) == 0 {
		runtime.Gosched()
	}
	atomic.AddInt64(&made, 1)
	return 1
}

func try(n int) {
	f := float64(n%1000) + 0.125
	i, x := work(n, f)
	j, y := truth(n, f)
	if i == j && x == y {
		atomic.AddInt64(&rounds, 1)
	} else {
		atomic.AddInt64(&wrong, 1)
	}
}

func main() {
	if len(os.Args) > 5 { // so that all of them are there
		fmt.Println(add(1, 2), half(3), join("a", "b"), deep(3), fails(""), waits(), *collects(1), outer(1), spins())
	}
	came := make(chan os.Signal, 100)
	signal.Notify(came, syscall.SIGUSR1)
	go func() {
		for range came {
			atomic.AddInt64(&usr1, 1)
		}
	}()
	for i := 0; i < 3; i++ {
		go func(i int) {
			for n := i; ; n += 3 {
				try(n)
				if n%64 < 3 {
					time.Sleep(50 * time.Microsecond)
				}
				if n%512 < 3 {
					runtime.Gosched()
				}
			}
		}(i)
	}
	fmt.Println("READY")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch in.Text() {
		case "rounds":
			fmt.Println("OK", atomic.LoadInt64(&rounds))
		case "wrong":
			fmt.Println("OK", atomic.LoadInt64(&wrong))
		case "begun":
			fmt.Println("OK", atomic.LoadInt64(&begun))
		case "made":
			fmt.Println("OK", atomic.LoadInt64(&made))
		case "usr1":
			fmt.Println("OK", atomic.LoadInt64(&usr1))
		case "free":
			atomic.StoreInt32(&released, 1)
			fmt.Println("OK")
		case "gc":
			runtime.GC()
			fmt.Println("OK")
		}
	}
}
