package main

import (
	"strconv"
	"sync"
	"time"
	"unsafe"
)

type session struct {
	mu    sync.Mutex
	n     int
	in    chan int
	hub   *hub
	state map[string]int
}

type hub struct {
	mu    sync.RWMutex
	all   map[int]*session
	ready sync.WaitGroup
	done  chan bool
}

//go:noinline
func (s *session) handle(x int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += x
	s.hub.mu.RLock()
	defer s.hub.mu.RUnlock()
	if s.hub.all[x] == nil && s.state != nil {
		s.state["missing"]++
	}
	return nil
}

// serve waits in a loop that takes its own lock and the shared one.
func (s *session) serve() {
	s.hub.ready.Done()
	for {
		select {
		case x := <-s.in:
			if s.handle(x) != nil {
				return
			}
		case <-s.hub.done:
			return
		}
	}
}

// poll takes the shared lock after each nap.
func (h *hub) poll() {
	h.ready.Done()
	for {
		time.Sleep(time.Hour)
		h.mu.Lock()
		delete(h.all, -1)
		h.mu.Unlock()
	}
}

// crowd is n goroutines that could all take the same lock, one that holds it and a few that wait.
func crowd(n int) {
	h := &hub{all: map[int]*session{}, done: make(chan bool)}
	keep = append(keep, h)
	h.ready.Add(n)
	for i := 0; i < n; i++ {
		if i%2 == 0 {
			go (&session{in: make(chan int), hub: h}).serve()
		} else {
			go h.poll()
		}
	}
	h.ready.Wait()
	g := spawn(func() { announce(); h.mu.Lock(); defer h.mu.Unlock(); work() })
	for i := 0; i < 3; i++ {
		spawn(func() { announce(); (&session{hub: h}).handle(i) })
	}
	expect("crowd-"+strconv.Itoa(n), "write", unsafe.Pointer(&h.mu), g)
}
