// profiles: fills the profiles that the runtime keeps, from places that a test knows, and writes them
// itself on command: the truth that tests compare with.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"targets/lib"
)

var keep [][]byte

//go:noinline
func kept(n, size int) {
	for i := 0; i < n; i++ {
		keep = append(keep, make([]byte, size))
	}
}

var sink []byte

//go:noinline
func dropped(n, size int) {
	for i := 0; i < n; i++ {
		sink = make([]byte, size)
	}
}

// Three calls that the compiler inlines into one function.
func outer(n int) map[int]*[64]int { return middle(n) }
func middle(n int) map[int]*[64]int {
	m := inner(n)
	m[-1] = new([64]int)
	return m
}
func inner(n int) map[int]*[64]int {
	m := make(map[int]*[64]int)
	for i := 0; i < n; i++ {
		m[i] = new([64]int)
	}
	return m
}

type list[T any] struct {
	next  *list[T]
	value T
}

//go:noinline
func (l *list[T]) push(v T) *list[T] { return &list[T]{l, v} }

//go:noinline
func recurse(depth, size int) {
	if depth == 0 {
		keep = append(keep, make([]byte, size))
		return
	}
	recurse(depth-1, size)
}

// The first sample was drawn before the rate was set: with the default one, so that it may come after
// everything that allocate does.
//
//go:noinline
func passFirstSample() {
	for i := 0; i < 64; i++ {
		sink = make([]byte, 1<<20)
	}
	sink = nil
}

var held interface{}

//go:noinline
func leaked(n int) {
	for i := 0; i < n; i++ {
		b := make([]byte, 4000)
		keep = append(keep, b) // a line of its own, which allocates, too
	}
}

type Hoarded struct{ note [1000]byte }
type Wasted struct{ note [1000]byte }

var hoard []*Hoarded
var waste *Wasted

//go:noinline
func hoards(n int) {
	for i := 0; i < n; i++ {
		hoard = append(hoard, new(Hoarded))
	}
}

// wastes keeps the last one only.
//
//go:noinline
func wastes(n int) {
	for i := 0; i < n; i++ {
		waste = new(Wasted)
	}
}

func counted(f func(int)) lib.Handler {
	return func(args []string) (string, error) {
		n, err := strconv.Atoi(args[0])
		if err == nil {
			f(n)
		}
		return "", err
	}
}

func allocate() {
	kept(50, 3000)
	dropped(200, 700)
	held = outer(40)
	var l *list[[4]string]
	for i := 0; i < 30; i++ {
		l = l.push([4]string{})
	}
	keep = append(keep, []byte(fmt.Sprint(l)))
	recurse(12, 5000)
	keep = append(keep, make([]byte, 1<<20))
	held = []interface{}{held, l}
}

//go:noinline
func waits(c chan int) { <-c }

//go:noinline
func holds(mu *sync.Mutex, d time.Duration) {
	mu.Lock()
	time.Sleep(d)
	mu.Unlock()
}

func block() {
	for i := 0; i < 5; i++ {
		c := make(chan int)
		go func() { time.Sleep(3 * time.Millisecond); close(c) }()
		waits(c)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); holds(&mu, 2*time.Millisecond) }()
	}
	wg.Wait()
}

func below(depth int, c chan int) {
	if depth > 0 {
		below(depth-1, c)
		return
	}
	waits(c)
}

func parkInlined(c chan int) { <-c }

// park starts goroutines that stay where they are, some below others, some in a function that is inlined.
func park([]string) (string, error) {
	c := make(chan int)
	for i := 0; i < 12; i++ {
		go below(i%4, c)
		go func() { parkInlined(c) }()
	}
	var mu sync.Mutex
	mu.Lock()
	go func() { mu.Lock() }()
	go func() {
		select {
		case <-c:
		case <-time.After(time.Hour):
		}
	}()
	lib.Settle(nil)
	return "", nil
}

// write NAME FILE: the profile as the program itself writes it.
func write(args []string) (string, error) {
	f, err := os.Create(args[1])
	if err != nil {
		return "", err
	}
	defer f.Close()
	return "", pprof.Lookup(args[0]).WriteTo(f, 0)
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func init() {
	runtime.MemProfileRate = number("MEM_RATE", 1)
}

func main() {
	// Only the command gc collects: a collection of its own, between the target's profile and ours, would
	// count more in the second one.
	debug.SetGCPercent(-1)
	runtime.SetBlockProfileRate(number("BLOCK_RATE", 1))
	runtime.SetMutexProfileFraction(number("MUTEX_RATE", 1))
	passFirstSample()
	allocate()
	block()
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"park":  park,
		"write": write,
		"leak":  counted(leaked),
		"hoard": counted(hoards),
		"waste": counted(wastes),
		"allocate": func([]string) (string, error) {
			allocate()
			return "", nil
		},
		"gc": func([]string) (string, error) {
			runtime.GC()
			runtime.GC()
			return "", nil
		},
		"off": func([]string) (string, error) {
			runtime.SetBlockProfileRate(0)
			runtime.SetMutexProfileFraction(0)
			return "", nil
		},
	})
}
