// leakstress: goroutines that wait for one another all the time, in every way that hides for a moment what
// leads to a channel or lock: it is in a register, in the arguments of a goroutine that never ran yet, on
// a stack that moves, in a value on its way, in a timer, a finalizer, an interior pointer, a tiny block.
// All of them are always woken again, while garbage is made and collected; but for a few that leak, which
// are named.
//
// The command `rounds` answers how often each kind has been through: one that stands still is stuck.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
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

type kind struct {
	name   string
	round  func(n int)
	rounds uint64
}

var kinds []*kind

func add(name string, round func(n int)) { kinds = append(kinds, &kind{name: name, round: round}) }

func (k *kind) run() {
	for n := 0; ; n++ {
		k.round(n)
		atomic.AddUint64(&k.rounds, 1)
		if n%16 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// ---- what leads there is hardly anywhere ----

//go:noinline
func sendAfter(ch chan int, turns int) {
	x := 1
	for i := 0; i < turns; i++ {
		x = x*31 + i
	}
	ch <- x
}

//go:noinline
func closeAfter(turns, a, b, c, d int, ch chan struct{}) {
	for i := 0; i < turns; i++ {
		a, b, c, d = b+i, c^a, d-b, a*3
	}
	close(ch)
	sink(a + b + c + d)
}

//go:noinline
func sink(int) {}

func register(n int) {
	ch := make(chan int)
	go sendAfter(ch, n%7*3000)
	<-ch
	done := make(chan struct{})
	go closeAfter(n%5*3000, 1, 2, 3, n, done)
	<-done
}

// Goroutines that wait to run for the first time hold it in their closures and arguments.
func unstarted(n int) {
	back := make(chan chan int)
	for i := 0; i < 8; i++ {
		ch := make(chan int, i%2)
		i := i
		go func() { ch <- i }()
		go func(from, to chan int) { to <- <-from }(ch, relay(back))
	}
	for i := 0; i < 8; i++ {
		<-<-back
	}
}

func relay(back chan chan int) chan int {
	ch := make(chan int)
	go func() { back <- ch }()
	return ch
}

type message struct {
	pad   [3]int
	reply chan int
}

// The reply channel travels inside a value, from stack to stack and through a buffer.
func onTheWay(n int) {
	requests := make(chan message, n%2)
	go func() {
		for m := range requests {
			m.reply <- m.pad[1]
		}
	}()
	for i := 0; i < 4; i++ {
		reply := make(chan int)
		requests <- message{[3]int{0, i, 0}, reply}
		<-reply
	}
	close(requests)
}

// The stack that holds it moves while others wait.
//
//go:noinline
func deep(n int, ch chan int) int {
	var pad [40]int
	pad[n%40] = n
	if n == 0 {
		runtime.Gosched()
		ch <- 1
		return 0
	}
	return deep(n-1, ch) + pad[n%40]
}

func movingStack(n int) {
	ch := make(chan int)
	go deep(50+n%200, ch)
	<-ch
}

//go:noinline
func deferred(n int, ch chan struct{}) {
	defer func() { recover() }()
	defer close(ch)
	if n%2 == 0 {
		panic("never mind")
	}
}

func deferring(n int) {
	ch := make(chan struct{})
	go deferred(n, ch)
	<-ch
}

type large struct {
	pad  [5000]byte
	lock sync.Mutex
	ch   chan int
	rest [3000]byte
}

// Only a pointer to the middle of the object leads there; or an unsafe one; or one inside an interface.
func interior(n int) {
	l := new(large)
	l.ch = make(chan int)
	go func(p *chan int) { *p <- 1 }(&l.ch)
	<-l.ch
	var word unsafe.Pointer
	ch := make(chan int)
	atomic.StorePointer(&word, unsafe.Pointer(&ch))
	go func() { *(*chan int)(atomic.LoadPointer(&word)) <- 1 }()
	<-ch
	var boxed atomic.Value
	boxed.Store(map[string]interface{}{"ch": ch})
	go func() { boxed.Load().(map[string]interface{})["ch"].(chan int) <- 1 }()
	<-ch
}

var pool = sync.Pool{New: func() interface{} { return make(chan int) }}

// The channel comes from a pool and goes back while its partner may not have run on yet.
func pooled(n int) {
	ch := pool.Get().(chan int)
	go func() { ch <- 1 }()
	<-ch
	pool.Put(ch)
}

// ---- time ----

func timers(n int) {
	done := make(chan int)
	time.AfterFunc(time.Duration(n%3)*200*time.Microsecond, func() { close(done) })
	<-done
	select {
	case <-time.After(300 * time.Microsecond):
	case <-make(chan int):
	}
	t := time.NewTimer(time.Hour)
	if t.Stop() {
		t.Reset(100 * time.Microsecond)
	}
	<-t.C
	tick := time.NewTicker(100 * time.Microsecond)
	<-tick.C
	tick.Stop()
}

func contexts(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	inner, stop := context.WithTimeout(context.WithValue(ctx, &pool, 1), time.Hour)
	ended := make(chan int)
	for i := 0; i < 3; i++ {
		go func() { <-inner.Done(); ended <- 1 }()
	}
	if n%2 == 0 {
		go cancel()
	} else {
		go stop()
	}
	for i := 0; i < 3; i++ {
		<-ended
	}
	cancel()
	stop()
	short, end := context.WithTimeout(context.Background(), 200*time.Microsecond)
	<-short.Done()
	end()
}

// ---- many at once ----

func selects(n int) {
	chans := make([]chan int, 12)
	for i := range chans {
		chans[i] = make(chan int)
	}
	go func(c chan int) { c <- n }(chans[n%8])
	select {
	case <-chans[0]:
	case <-chans[1]:
	case <-chans[2]:
	case <-chans[3]:
	case <-chans[4]:
	case <-chans[5]:
	case <-chans[6]:
	case <-chans[7]:
	}
	cases := make([]reflect.SelectCase, len(chans))
	for i := range cases {
		cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(chans[i])}
	}
	go func(c chan int) { close(c) }(chans[n%12])
	reflect.Select(cases)
}

func closing(n int) {
	ch, ended := make(chan int), make(chan int)
	for i := 0; i < 6; i++ {
		go func() { <-ch; ended <- 1 }()
	}
	runtime.Gosched()
	go close1(ch)
	for i := 0; i < 6; i++ {
		<-ended
	}
}

func close1(ch chan int) { close(ch) }

// ---- package sync ----

// Mutexes of eight bytes lie in the blocks of the tiny allocator, beside other values.
func tinyMutexes(n int) {
	mu, beside := new(sync.Mutex), new(int32)
	var done sync.WaitGroup
	done.Add(3)
	for i := 0; i < 3; i++ {
		go func() {
			mu.Lock()
			*beside++
			runtime.Gosched()
			mu.Unlock()
			done.Done()
		}()
	}
	done.Wait()
}

type pair struct {
	n  int32
	mu sync.Mutex
}

// Only a pointer to the part leads to the tiny block, then only one to the whole.
func tinyParts(n int) {
	p, ended := new(pair), make(chan int)
	p.mu.Lock()
	go func(m *sync.Mutex) { m.Lock(); m.Unlock(); ended <- 1 }(&p.mu)
	go func(p *pair) { runtime.Gosched(); p.mu.Unlock() }(p)
	<-ended
}

func syncs(n int) {
	ended := make(chan int)
	cond, ready := sync.NewCond(new(sync.Mutex)), false
	for i := 0; i < 3; i++ {
		go func() {
			cond.L.Lock()
			for !ready {
				cond.Wait()
			}
			cond.L.Unlock()
			ended <- 1
		}()
	}
	go func() { cond.L.Lock(); ready = true; cond.L.Unlock(); cond.Broadcast() }()
	rw, once := new(sync.RWMutex), new(sync.Once)
	for i := 0; i < 4; i++ {
		i := i
		go func() {
			if i%2 == 0 {
				rw.Lock()
				runtime.Gosched()
				rw.Unlock()
			} else {
				rw.RLock()
				runtime.Gosched()
				rw.RUnlock()
			}
			once.Do(func() { time.Sleep(50 * time.Microsecond) })
			ended <- 1
		}()
	}
	for i := 0; i < 7; i++ {
		<-ended
	}
}

// ---- out of Go's sight ----

// In a system call only the stack leads to the channel.
func systemCall(n int) {
	var fds [2]int
	if syscall.Pipe(fds[:]) != nil {
		panic("no pipe")
	}
	ch := make(chan int)
	go func() {
		var b [1]byte
		syscall.Read(fds[0], b[:])
		ch <- 1
	}()
	go func() { runtime.Gosched(); syscall.Write(fds[1], []byte{1}) }()
	<-ch
	syscall.Close(fds[0])
	syscall.Close(fds[1])
}

// The same, waiting for the network poller.
func polled(n int) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	ch := make(chan int)
	go func() { r.Read(make([]byte, 1)); close(ch) }()
	go func() { runtime.Gosched(); w.Write([]byte{1}) }()
	<-ch
	r.Close()
	w.Close()
}

type finalized struct{ pad [4]int }

//go:noinline
func unreachable(f func()) {
	runtime.SetFinalizer(new(finalized), func(*finalized) { f() })
}

// What will be garbage alone leads to the channel, by its finalizer.
func finalizers(n int) {
	ch := make(chan int)
	unreachable(func() { close(ch) })
	<-ch
}

func locked(n int) {
	ch := make(chan int)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ch <- 1
	}()
	<-ch
}

// ---- garbage ----

var kept [64][]*[]byte

func garbage(n int) {
	row := make([]*[]byte, 100)
	for i := range row {
		b := make([]byte, 16<<(n%8))
		row[i] = &b
	}
	kept[n%len(kept)] = row
	if n%50 == 0 {
		runtime.GC()
	}
}

// ---- those that leak ----

//go:noinline
func planted(ids chan string) {
	say := func() {
		var buf [64]byte
		ids <- strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1]
	}
	go func() { say(); <-make(chan int) }()
	go func() { say(); make(chan *int) <- nil }()
	go func() { say(); mu := new(large); mu.lock.Lock(); mu.lock.Lock() }()
	go func() { say(); wg := new(sync.WaitGroup); wg.Add(1); wg.Wait() }()
	go func() {
		say()
		select {
		case <-make(chan int):
		case <-make(chan string):
		}
	}()
}

const plants = 5

func plant() string {
	ids, names := make(chan string), make([]string, plants)
	planted(ids)
	for i := range names {
		names[i] = <-ids
	}
	return strings.Join(names, ",")
}

// ---- all of it ----

func rounds([]string) (string, error) {
	var words []string
	for _, k := range kinds {
		words = append(words, k.name+"="+strconv.FormatUint(atomic.LoadUint64(&k.rounds), 10))
	}
	sort.Strings(words)
	return strings.Join(words, " "), nil
}

func main() {
	debug.SetGCPercent(10)
	leaks := plant()
	add("register", register)
	add("unstarted", unstarted)
	add("way", onTheWay)
	add("stack", movingStack)
	add("defer", deferring)
	add("interior", interior)
	add("pool", pooled)
	add("timers", timers)
	add("contexts", contexts)
	add("selects", selects)
	add("closing", closing)
	add("tiny", tinyMutexes)
	add("parts", tinyParts)
	add("syncs", syncs)
	add("call", systemCall)
	add("polled", polled)
	add("finalizers", finalizers)
	add("locked", locked)
	add("garbage", garbage)
	more()
	for _, k := range kinds {
		for i := 0; i < 2; i++ {
			go k.run()
		}
	}
	time.Sleep(50 * time.Millisecond)
	lib.Ready(fmt.Sprint("leaks=", leaks))
	lib.Commands(map[string]lib.Handler{"rounds": rounds})
}
