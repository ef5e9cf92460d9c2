// leaks: goroutines that wait and will be woken, though what wakes them is far from a live goroutine's
// stack, and goroutines that nothing can ever wake.  Each says its name and id before it waits.
//
// The command `wake` lets everything happen that was promised, and answers with the names of those that
// ended: whoever was called leaked must not be among them.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"targets/lib"
)

type wait struct {
	name  string
	leaks bool
	id    uint64
	ended int32
}

var (
	waits []*wait
	more  []func() // what other files add
	wakes []func() // what will be done to wake those that can be woken
)

func goid() uint64 {
	var buf [64]byte
	word := strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1]
	id, _ := strconv.ParseUint(word, 10, 64)
	return id
}

// start runs f in a goroutine and returns when that knows its id; f itself waits.
func start(name string, leaks bool, f func()) {
	w := &wait{name: name, leaks: leaks}
	waits = append(waits, w)
	known := make(chan bool)
	go func() {
		w.id = goid()
		known <- true
		f()
		atomic.StoreInt32(&w.ended, 1)
	}()
	<-known
}

// nap sleeps again and again until wake is set.
//
//go:noinline
func nap(wake *int32) {
	for atomic.LoadInt32(wake) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
}

func later(f func()) { wakes = append(wakes, f) }

// ---- those that will be woken ----

var (
	globalChan   = make(chan int)
	globalUnsafe unsafe.Pointer
	globalAny    interface{}
	globalMap    = map[string]chan int{}
	globalSync   sync.Map
	globalFunc   func()
	chanOfChans  = make(chan chan int, 1)
	finalized    *holder
)

type holder struct {
	name string
	ch   chan int
}

func globals() {
	start("global", false, func() { <-globalChan })
	later(func() { globalChan <- 1 })

	hidden := make(chan int)
	globalUnsafe = unsafe.Pointer(&holder{ch: hidden})
	start("unsafe", false, func() { <-hidden })
	later(func() { (*holder)(globalUnsafe).ch <- 1 })

	boxed := make(chan int)
	globalAny = &boxed
	start("interface", false, func() { <-boxed })
	later(func() { *globalAny.(*chan int) <- 1 })

	mapped := make(chan int)
	globalMap["x"] = mapped
	start("map", false, func() { mapped <- 1 })
	later(func() { <-globalMap["x"] })

	synced := make(chan int)
	globalSync.Store(7, synced)
	start("syncmap", false, func() { <-synced })
	later(func() { v, _ := globalSync.Load(7); close(v.(chan int)) })

	captured := make(chan int)
	globalFunc = func() { captured <- 1 }
	start("closure", false, func() { <-captured })
	later(func() { globalFunc() })

	sent := make(chan int)
	chanOfChans <- sent
	start("sent", false, func() { <-sent })
	later(func() { (<-chanOfChans) <- 1 })
}

// Only what runs later leads to the channel.
func timers() {
	fires := make(chan int)
	var timer = time.AfterFunc(time.Hour, func() { fires <- 1 })
	start("afterfunc", false, func() { <-fires })
	later(func() { timer.Reset(0) })

	ticks := time.NewTimer(2 * time.Hour)
	start("timer", false, func() { <-ticks.C })
	later(func() { ticks.Reset(0) })

	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	start("context", false, func() { <-ctx.Done() })
	later(cancel)

	sleeps := make(chan int)
	var wake int32
	start("sleeper", false, func() {
		nap(&wake)
		close(sleeps)
	})
	start("for a sleeper", false, func() { <-sleeps })
	later(func() { atomic.StoreInt32(&wake, 1) })
}

func signals() {
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	start("signal", false, func() { <-usr1 })
	later(func() { syscall.Kill(os.Getpid(), syscall.SIGUSR1) })
}

func network() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	got := make(chan int)
	start("accept", false, func() {
		c, _ := l.Accept()
		c.Close()
		got <- 1
	})
	start("for a connection", false, func() { <-got })
	later(func() { net.Dial("tcp", l.Addr().String()) })

	// A pipe and a blocking system call: the goroutine's stack alone leads to the channel.
	var fds [2]int
	syscall.Pipe(fds[:])
	read := make(chan int)
	start("system call", false, func() {
		var b [1]byte
		syscall.Read(fds[0], b[:])
		read <- 1
	})
	start("for a system call", false, func() { <-read })
	later(func() { syscall.Write(fds[1], []byte{1}) })
}

// The channel is reached by the finalizer of an object alone, and that is reached by a variable.
func finalizers() {
	done := make(chan int)
	finalized = &holder{name: "finalized"}
	runtime.SetFinalizer(finalized, func(*holder) { close(done) })
	start("finalizer", false, func() { <-done })
	later(func() {
		finalized = nil
		for i := 0; i < 3; i++ {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// The channel is in a register of a goroutine that runs, or on its stack.
func spin(ch chan int, stop *int32) {
	for atomic.LoadInt32(stop) == 0 {
	}
	ch <- 1
}

func registers() {
	ch, stop := make(chan int), new(int32)
	start("spins", false, func() { spin(ch, stop) })
	start("for one that runs", false, func() { <-ch })
	later(func() { atomic.StoreInt32(stop, 1) })
}

// Locks whose holder will go on.
func locks() {
	var wake int32
	until := func() { nap(&wake) }
	mu, held := new(sync.Mutex), make(chan bool)
	start("holds", false, func() { mu.Lock(); held <- true; until(); mu.Unlock() })
	<-held
	start("lock", false, func() { mu.Lock(); mu.Unlock() })

	rw := new(sync.RWMutex)
	start("reads", false, func() { rw.RLock(); held <- true; until(); rw.RUnlock() })
	<-held
	start("writer", false, func() { rw.Lock(); rw.Unlock() })

	wg := new(sync.WaitGroup)
	wg.Add(1)
	start("works", false, func() { until(); wg.Done() })
	start("waitgroup", false, func() { wg.Wait() })

	cond := sync.NewCond(new(sync.Mutex))
	start("cond", false, func() { cond.L.Lock(); cond.Wait(); cond.L.Unlock() })
	start("broadcasts", false, func() { until(); cond.L.Lock(); cond.Broadcast(); cond.L.Unlock() })

	once := new(sync.Once)
	start("once", false, func() { once.Do(func() { held <- true; until() }) })
	<-held
	start("second once", false, func() { once.Do(func() {}) })
	later(func() { atomic.StoreInt32(&wake, 1) })
}

// ---- those that leak ----

func leaks() {
	start("recv", true, func() { <-make(chan int) })
	start("send", true, func() { make(chan int) <- 1 })
	start("nil", true, func() { var c chan int; <-c })
	start("no cases", true, func() { select {} })
	start("select", true, func() {
		a, b := make(chan int), make(chan string)
		select {
		case <-a:
		case b <- "x":
		}
	})
	start("stopped timer", true, func() {
		done := make(chan int)
		t := time.AfterFunc(time.Hour, func() { close(done) })
		t.Stop()
		t = nil
		<-done
	})
	start("double lock", true, func() {
		mu := &struct {
			sync.Mutex
			p *int
		}{}
		mu.Lock()
		mu.Lock()
	})
	start("upgrade", true, func() { rw := new(sync.RWMutex); rw.RLock(); rw.Lock() })
	start("never done", true, func() { wg := new(sync.WaitGroup); wg.Add(1); wg.Wait() })
	circle()
	start("worker", true, func() {
		jobs := make(chan func())
		for job := range jobs {
			job()
		}
	})
}

// Two that wait for each other and for nobody else.
func circle() {
	a, b := make(chan int), make(chan int)
	start("circle", true, func() { <-a; b <- 1 })
	start("circle back", true, func() { <-b; a <- 1 })
}

func wakeAll([]string) (string, error) {
	for _, wake := range wakes {
		go wake()
	}
	var names []string
	for i := 0; i < 4000; i++ {
		names = names[:0]
		open := 0
		for _, w := range waits {
			if atomic.LoadInt32(&w.ended) == 1 {
				names = append(names, w.name)
			} else if !w.leaks {
				open++
			}
		}
		if open == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	sort.Strings(names)
	return strings.Join(names, ","), nil
}

func list([]string) (string, error) {
	var b strings.Builder
	for _, w := range waits {
		fmt.Fprintf(&b, "%s=%d=%v,", w.name, w.id, w.leaks)
	}
	return strings.TrimSuffix(b.String(), ","), nil
}

func main() {
	globals()
	timers()
	signals()
	network()
	finalizers()
	registers()
	locks()
	leaks()
	extra()
	for _, f := range more {
		f()
	}
	lib.Settle(nil, "main.spin", "main.nap")
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"list": list, "wake": wakeAll})
}
