// wakers: leaks with somebody who would have ended them and cannot, with nobody, and with a variable
// that leads to what is waited for.
package main

import (
	"os"
	"sync"
	"syscall"

	"targets/lib"
)

type job struct {
	in, out chan int
	mu      sync.Mutex
	done    sync.WaitGroup
}

var jobs = map[string]*job{}

//go:noinline
func reads(j *job) { <-j.in }

//go:noinline
func writes(j *job) { j.in <- <-j.out }

//go:noinline
func locks(j *job) { j.mu.Lock(); j.mu.Unlock() }

//go:noinline
func leaves(j *job) { j.mu.Lock() }

//go:noinline
func holds(j *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done.Wait()
}

func kept(name string) *job {
	jobs[name] = new(job)
	return jobs[name]
}

func main() {
	for i := 0; i < 3; i++ {
		j := &job{in: make(chan int), out: make(chan int)}
		go reads(j)
		go writes(j)
	}
	left, held := kept("left"), kept("held")
	held.done.Add(1)
	go leaves(left)
	go holds(held)
	lib.Settle(nil)
	go locks(left)
	go locks(held)
	lib.Settle(nil)
	lib.Ready()
	syscall.Read(0, make([]byte, 1)) // code that can be followed to its end
	os.Exit(0)
}
