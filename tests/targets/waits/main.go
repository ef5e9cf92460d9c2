// waits: goroutines that wait for one thing of every kind, and what they wait for, by address.
//
//	waits            all kinds, each in a function of its own
//	waits granted    locks and channels that were handed over to goroutines that did not run since
//	waits unstarted  goroutines that never ran, started in every way that `go` has
//	waits misuse     panics in flight: send on and close of a closed channel, a negative WaitGroup
//	waits many N     N goroutines at one channel, one mutex, one Cond, in selects and at one WaitGroup
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"targets/lib"
)

type ledger struct {
	name string
	pad  [5]int
	mu   sync.Mutex
	rows []int
}

type book struct {
	title string
	lock  sync.RWMutex
}

var (
	full     = make(chan int, 2)
	empty    = make(chan string)
	other    = make(chan [3]int64, 4)
	closer   = make(chan struct{})
	global   sync.Mutex
	books    = &book{title: "b"}
	group    sync.WaitGroup
	once     sync.Once
	condLock sync.Mutex
	cond     = sync.NewCond(&condLock)
	heapLock = &ledger{name: "l"}
	nilRecv  chan int
	nilSend  chan int
	timer    = time.NewTimer(time.Hour)
	stopped  = time.NewTimer(time.Hour)
	keep     []interface{}
	held     = map[string]*ledger{}
	ran      int32 // goroutines that went on after their wait
)

//go:noinline
func recv() { <-empty; atomic.AddInt32(&ran, 1) }

//go:noinline
func send() { full <- 3 }

//go:noinline
func recvNil() { <-nilRecv }

//go:noinline
func sendNil() { nilSend <- 1 }

//go:noinline
func selectNone() { select {} }

// selectMany: receives are numbered 1 to 3 (the second on a nil channel), sends 1 and 2.
//
//go:noinline
func selectMany() {
	select {
	case <-empty:
	case full <- 1:
	case <-nilRecv:
	case other <- [3]int64{}:
	case <-closer:
	}
}

//go:noinline
func recvTimer() { <-timer.C }

//go:noinline
func recvStopped() { <-stopped.C }

//go:noinline
func lockGlobal() { global.Lock(); atomic.AddInt32(&ran, 1) }

//go:noinline
func lockHeap(l *ledger) { l.mu.Lock(); l.rows = nil }

//go:noinline
func lockHeld(l *ledger) { l.mu.Lock(); l.rows = nil }

//go:noinline
func newLedger() *ledger { return &ledger{name: fmt.Sprint("held"), rows: make([]int, 8)} }

//go:noinline
func writeFirst() { books.lock.Lock() }

//go:noinline
func writeSecond() { books.lock.Lock() }

//go:noinline
func read() { books.lock.RLock(); atomic.AddInt32(&ran, 1) }

//go:noinline
func waitGroup() { group.Wait() }

//go:noinline
func onceFirst() { once.Do(func() { <-closer }) }

//go:noinline
func onceSecond() { once.Do(func() {}) }

//go:noinline
func waitCond() {
	condLock.Lock()
	cond.Wait()
	atomic.AddInt32(&ran, 1)
}

//go:noinline
func sleep() { time.Sleep(time.Hour) }

//go:noinline
func readConn(c net.Conn) {
	var b [1]byte
	c.Read(b[:])
}

//go:noinline
func accept(l net.Listener) {
	c, _ := l.Accept()
	keep = append(keep, c)
}

//go:noinline
func readPipe(f *os.File) {
	var b [1]byte
	f.Read(b[:])
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func at(p unsafe.Pointer) string { return fmt.Sprintf("%#x", uintptr(p)) }

func channel(c interface{}) string { return at((*[2]unsafe.Pointer)(unsafe.Pointer(&c))[1]) }

func settle() { lib.Settle(nil) }

func files() []string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	client, err := net.Dial("tcp4", l.Addr().String())
	must(err)
	server, err := l.Accept()
	must(err)
	must(server.SetReadDeadline(time.Now().Add(time.Hour)))
	r, w, err := os.Pipe()
	must(err)
	keep = append(keep, client, w, l)
	go readConn(server)
	go accept(l)
	go readPipe(r)
	return []string{"listen=" + l.Addr().String(), "server=" + server.LocalAddr().String(),
		"client=" + client.LocalAddr().String()}
}

func locks() {
	global.Lock()
	heapLock.mu.Lock()
	books.lock.RLock()
	group.Add(2)
	go lockGlobal()
	go lockGlobal()
	go lockHeap(heapLock)
	held["a"] = newLedger()
	held["a"].mu.Lock()
	go lockHeld(held["a"])
	go writeFirst()
	settle()
	go writeSecond()
	settle()
	go read()
	go read()
	go waitGroup()
	go waitGroup()
	go onceFirst()
	settle()
	go onceSecond()
	go waitCond()
	settle()
	go waitCond()
}

func all() {
	full <- 1
	full <- 2
	for i := 0; i < cap(other); i++ {
		other <- [3]int64{}
	}
	stopped.Stop()
	words := files()
	locks()
	for _, f := range []func(){recv, send, recvNil, sendNil, selectNone, selectMany, recvTimer, recvStopped, sleep} {
		go f()
	}
	settle()
	lib.Ready(append(words,
		"full="+channel(full), "empty="+channel(empty), "other="+channel(other), "closer="+channel(closer),
		"timer="+channel(timer.C), "stopped="+channel(stopped.C),
		"global="+at(unsafe.Pointer(&global)), "heap="+at(unsafe.Pointer(&heapLock.mu)),
		"held="+at(unsafe.Pointer(&held["a"].mu)), "rw="+at(unsafe.Pointer(&books.lock)),
		"group="+at(unsafe.Pointer(&group)), "once="+at(unsafe.Pointer(&once)),
		"cond="+at(unsafe.Pointer(cond)))...)
	lib.Commands(nil)
}

// granted hands things over and then keeps the only P in a system call that the scheduler knows nothing of.
// With GODEBUG=asyncpreemptoff=1 nothing can come between; when something did before, it begins anew.
func granted() {
	runtime.GOMAXPROCS(1)
	global.Lock()
	books.lock.Lock()
	go lockGlobal()
	go waitCond()
	go recv()
	go read()
	settle()
	ready := fmt.Sprintf("READY pid=%d global=%#x cond=%#x empty=%s rw=%#x\n", os.Getpid(),
		unsafe.Pointer(&global), unsafe.Pointer(cond), channel(empty), unsafe.Pointer(&books.lock))
	global.Unlock()
	books.lock.Unlock()
	cond.Signal()
	empty <- "x"
	keepProcessor([]byte(ready))
}

// keepProcessor says that it is ready, without letting anybody run.
func keepProcessor(ready []byte) {
	var b [1]byte
	if atomic.LoadInt32(&ran) != 0 {
		must(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	}
	syscall.RawSyscall(syscall.SYS_WRITE, 1, uintptr(unsafe.Pointer(&ready[0])), uintptr(len(ready)))
	syscall.RawSyscall(syscall.SYS_READ, 0, uintptr(unsafe.Pointer(&b)), 1)
}

//go:noinline
func plain() { atomic.AddInt32(&ran, 1) }

//go:noinline
func given(n int, s string) { atomic.AddInt32(&ran, int32(n+len(s))) }

func (l *ledger) Lock()   { atomic.AddInt32(&ran, 1) }
func (l *ledger) Unlock() { atomic.AddInt32(&ran, 1) }

// unstarted: each line with `go` starts one; its number is what the test knows them by.
func unstarted() {
	runtime.GOMAXPROCS(1)
	settle()
	n, method, locker, call := 3, heapLock.Lock, sync.Locker(heapLock), given
	go plain()
	go given(n, "x")
	go heapLock.Lock()
	go method()
	go locker.Unlock()
	go call(n, "y")
	go func() { given(n, "z") }()
	go func(k int) { given(k, "z") }(n)
	go fmt.Println(n)
	keepProcessor([]byte(fmt.Sprintf("READY pid=%d\n", os.Getpid())))
}

//go:noinline
func sendClosed(c chan int) {
	defer func() { <-empty }()
	c <- 1
}

//go:noinline
func selectClosed(c chan int) {
	defer func() { <-empty }()
	select {
	case other <- [3]int64{}: // full
	case c <- 1:
	case <-empty:
	}
}

//go:noinline
func closeClosed(c chan int) {
	defer func() { <-empty }()
	close(c)
}

//go:noinline
func doneTooOften() {
	defer func() { <-empty }()
	group.Done()
}

// misuse: what package sync and the runtime panic about, while a deferred call blocks.
func misuse() {
	c := make(chan int)
	close(c)
	for i := 0; i < cap(other); i++ {
		other <- [3]int64{}
	}
	go selectClosed(c)
	go sendClosed(c)
	go closeClosed(c)
	go doneTooOften()
	settle()
	lib.Ready("chan="+channel(c), "group="+at(unsafe.Pointer(&group)))
	lib.Commands(nil)
}

func many(n int) {
	global.Lock()
	group.Add(1)
	full <- 1
	full <- 2
	for i := 0; i < cap(other); i++ {
		other <- [3]int64{}
	}
	for i := 0; i < n; i++ {
		go recv()
		go lockGlobal()
		go waitCond()
		go selectMany()
		go waitGroup()
	}
	settle()
	lib.Ready()
	lib.Commands(nil)
}

func main() {
	if len(os.Args) > 2 {
		n, err := strconv.Atoi(os.Args[2])
		must(err)
		many(n)
	}
	if len(os.Args) > 1 && os.Args[1] == "misuse" {
		misuse()
	}
	if len(os.Args) > 1 && os.Args[1] == "unstarted" {
		unstarted()
	}
	if len(os.Args) > 1 {
		granted()
	}
	all()
}
