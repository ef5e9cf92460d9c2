//go:build go1.25

// Bubbles need timer channels as modules of Go 1.23 and later have them.
//go:debug asynctimerchan=0

package main

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A synctest bubble whose goroutines are durably blocked, but for one that is not.
func bubble() {
	testing.Init()
	ready := make(chan bool)
	go testing.Main(func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "TestBubble", F: func(t *testing.T) {
			synctest.Test(t, func(*testing.T) {
				inside := make(chan int)
				var wg sync.WaitGroup
				wg.Add(1)
				go func() { atomic.AddInt32(&blocked, 1); <-inside }()
				go func() { atomic.AddInt32(&blocked, 1); inside <- 1; inside <- 2 }()
				go func() { atomic.AddInt32(&blocked, 1); wg.Wait() }()
				go func() { atomic.AddInt32(&blocked, 1); time.Sleep(time.Hour * 10000) }()
				go func() { atomic.AddInt32(&blocked, 1); ready <- true; <-never }()
				select {
				case <-inside:
				case <-make(chan int):
				}
				<-inside
				wg.Wait()
			})
		}}}, nil, nil)
	<-ready
}

func init() { more = append(more, bubble) }
