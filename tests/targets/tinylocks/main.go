// tinylocks: locks that share blocks of the tiny allocator with values that live on.  Goroutines hold
// them and wait for them again, for ever; and some wait for a lock that lies in a value which a variable
// still leads to, though not to its first byte.
package main

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"targets/lib"
)

const locks = 400

var (
	beside  []*int32
	around  []*pair
	reached []string
)

type pair struct {
	n  int32
	mu sync.Mutex
}

//go:noinline
func stuck(m *sync.Mutex, id chan string) {
	if id != nil {
		var buf [64]byte
		id <- strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1]
	}
	m.Lock()
	m.Lock()
}

// The neighbour is an int32 that only the slice leads to.
//
//go:noinline
func neighbours() {
	for i := 0; i < locks; i++ {
		m, n := new(sync.Mutex), new(int32)
		beside = append(beside, n)
		go stuck(m, nil)
	}
}

// The lock is part of a value that the program can still get at.
//
//go:noinline
func parts() {
	id := make(chan string)
	for i := 0; i < 10; i++ {
		p := new(pair)
		around = append(around, p)
		go stuck(&p.mu, id)
		reached = append(reached, <-id)
	}
}

func main() {
	neighbours()
	parts()
	lib.Settle(nil)
	lib.Ready("locks="+strconv.Itoa(locks), fmt.Sprint("reached=", strings.Join(reached, ",")))
	lib.Commands(nil)
}
