// running: goroutines that do not rest, each doing one thing over and over, below a chain of calls that is
// known: main.work calls main.outer, which calls main.inner (through main.middle, which is inlined), which calls
// the job.  A job is named on the command line; "name!" keeps it on a thread of its own.
//
// READY says name=tid,goid for each.
package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"targets/lib"
	"targets/running/asm"
)

var (
	rounds uint64
	stop   int32 // never set: what the compiler cannot know
	sink   uint64
	keep   []interface{}
	lock   sync.Mutex
	held   sync.WaitGroup
)

// jobs: a row's function is called for ever.
var jobs = map[string]func(){
	"spin":     jobSpin,
	"tight":    jobTight,
	"asm":      jobAsm,
	"asmstuck": jobAsmStuck,
	"memory":   jobMemory,
	"clock":    jobClock,
	"random":   jobRandom,
	"raw":      jobRaw,
	"rawstuck": jobRawStuck,
	"syscall":  jobSyscall,
	"sysstuck": jobSyscallStuck,
	"grow":     jobGrow,
	"born":     jobBorn,
	"alloc":    jobAlloc,
	"collect":  jobCollect,
	"barrier":  jobBarrier,
	"channel":  jobChannel,
	"sched":    jobSched,
	"sleep":    jobSleep,
	"panics":   jobPanics,
	"faults":   jobFaults,
	"goexit":   jobGoexit,
	"defers":   jobDefers,
	"wrapped":  jobWrapped,
	"reflect":  jobReflect,
	"maps":     jobMaps,
	"locks":    jobLocks,
	"signals":  jobSignals,
	"storm":    jobStorm,
}

func init() { jobs["mixed"] = jobMixed }

// ---- the chain ----

func work(name string, pinned bool, started chan<- string) {
	if pinned {
		runtime.LockOSThread()
	}
	pprof.SetGoroutineLabels(labelled(name))
	outer(jobs[name], started, fmt.Sprintf("%s=%d,%d", name, syscall.Gettid(), goid()))
	panic("a job has ended")
}

// outer says that it has begun, not work(): from then on the chain is whole.
//
//go:noinline
func outer(job func(), started chan<- string, line string) {
	started <- line
	for atomic.LoadInt32(&stop) == 0 {
		middle(job)
	}
}

func middle(job func()) { inner(job) }

//go:noinline
func inner(job func()) {
	job()
	atomic.AddUint64(&rounds, 1)
}

func goid() int {
	buf := make([]byte, 64)
	words := bytes.Fields(buf[:runtime.Stack(buf, false)])
	n, _ := strconv.Atoi(string(words[1]))
	return n
}

// ---- Go code ----

func small(x uint64) uint64   { return smaller(x) + 1 }
func smaller(x uint64) uint64 { return x*3 ^ x>>7 }

//go:noinline
func called(x uint64) uint64 { return small(x) + 2 }

func jobSpin() {
	x := sink
	for i := 0; i < 1000; i++ {
		x += called(x) + small(x)
	}
	sink = x
}

// no call in it: only a signal can stop it
func jobTight() {
	x := uint64(1)
	for i := 0; i < 20000000; i++ {
		x += x>>3 ^ uint64(i)
	}
	sink = x
}

// ---- assembly ----

func jobAsm() {
	sink += asm.SpinLeaf(1000) + asm.SpinFrame(1000) + asm.SpinPushed(1000)
}

func jobAsmStuck() { asm.SpinUntil(&stop) }

func jobMemory() {
	for i := 0; i < 10; i++ {
		moving(1 << 18)
	}
}

//go:noinline
func moving(n int) {
	a, b := make([]byte, n), make([]byte, n)
	copy(a, b)
	copy(a[1:], a) // overlapping
	a[len(a)-1] = 1
	for k := range b {
		b[k] = 0
	}
	sink += uint64(bytes.IndexByte(a, 1)) + uint64(bytes.Compare(a, b)) + uint64(bytes.Count(a, []byte{7}))
	sum := sha256.Sum256(a)
	sink += uint64(sum[0])
}

// ---- the vDSO ----

func jobClock() {
	for i := 0; i < 100; i++ {
		sink += uint64(time.Now().Nanosecond()) + uint64(time.Since(begin))
	}
}

var begin = time.Now()

func jobRandom() {
	var b [64]byte
	io.ReadFull(rand.Reader, b[:])
	sink += uint64(b[0])
}

// ---- system calls ----

func jobRaw() {
	for i := 0; i < 100; i++ {
		pid, _, _ := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
		sink += uint64(pid)
	}
}

func emptyPipe() uintptr {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	return uintptr(fds[0])
}

func jobRawStuck() {
	var b [1]byte
	syscall.RawSyscall(syscall.SYS_READ, emptyPipe(), uintptr(reflect.ValueOf(&b).Pointer()), 1)
}

func jobSyscall() {
	for i := 0; i < 100; i++ {
		pid, _, _ := syscall.Syscall(syscall.SYS_GETPPID, 0, 0, 0)
		sink += uint64(pid)
	}
}

func jobSyscallStuck() {
	var b [1]byte
	syscall.Read(int(emptyPipe()), b[:])
}

// ---- stacks that grow and shrink, goroutines that come and go ----

//go:noinline
func deeper(n int) uint64 {
	var pad [40]uint64
	pad[n%40] = uint64(n)
	if n == 0 {
		return atomic.AddUint64(&rounds, 1)
	}
	return deeper(n-1) + pad[n/2%40]
}

func jobGrow() {
	for n := 1; n < 1000; n *= 3 {
		sink += deeper(n)
	}
	runtime.GC()
	runtime.GC()
}

func short(n int, done *sync.WaitGroup) {
	defer done.Done()
	sink += deeper(n)
}

func jobBorn() {
	var done sync.WaitGroup
	for i := 0; i < 50; i++ {
		done.Add(1)
		go short(i*4, &done)
	}
	done.Wait()
}

// ---- memory ----

type node struct {
	left, right *node
	pad         [6]uint64
}

//go:noinline
func tree(n int) *node {
	if n == 0 {
		return &node{}
	}
	return &node{left: tree(n - 1), right: tree(n - 1)}
}

func jobAlloc() {
	keep = []interface{}{tree(12), make([]byte, 1<<16), strings.Repeat("x", 100), map[int]*node{1: tree(2)}}
}

func jobCollect() { runtime.GC() }

var roots [64]*node

func jobBarrier() {
	for i := 0; i < 1000; i++ {
		a, b := roots[i%64], roots[i*7%64]
		if a == nil || i%97 == 0 {
			a = &node{}
		}
		a.left, a.right = b, a
		roots[i%64], roots[i*7%64] = b, a
	}
}

func jobMaps() {
	m := map[string]int{}
	for i := 0; i < 200; i++ {
		m[strconv.Itoa(i)] += i
	}
	for k, v := range m {
		sink += uint64(len(k) + v)
		delete(m, k)
	}
}

// ---- the scheduler ----

func jobChannel() {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v
		}
		close(pong)
	}()
	for i := 0; i < 3; i++ {
		ping <- i
		<-pong
	}
	close(ping)
	select {
	case <-pong:
	case <-time.After(time.Second):
	}
}

func jobSched() {
	for i := 0; i < 20; i++ {
		runtime.Gosched()
	}
}

func jobSleep() { time.Sleep(20 * time.Microsecond) }

func jobLocks() {
	for i := 0; i < 100; i++ {
		lock.Lock()
		sink++
		lock.Unlock()
	}
}

// ---- what leaves by another door ----

var errOurs = errors.New("ours")

//go:noinline
func panicking(n int) {
	defer deferred(n)
	if n == 0 {
		panic(errOurs)
	}
	panicking(n - 1)
}

//go:noinline
func deferred(n int) { sink += called(uint64(n)) }

func recovering() {
	if r := recover(); r != nil && r != interface{}(errOurs) {
		if _, ok := r.(runtime.Error); !ok {
			panic(r)
		}
	}
}

func jobPanics() {
	defer recovering()
	panicking(5)
}

//go:noinline
func faulting(p *node) uint64 { return p.pad[3] }

func jobFaults() {
	defer recovering()
	sink += faulting(keepNil)
}

var keepNil *node

func jobGoexit() {
	done := make(chan int)
	go func() {
		defer close(done)
		defer deferred(1)
		runtime.Goexit()
	}()
	<-done
}

func jobDefers() {
	for i := 0; i < 10; i++ {
		defer deferred(i)
	}
	func() {
		defer deferred(1)
		defer func() { sink += 2 }()
		sink += called(3)
	}()
}

// ---- what the compiler puts in between ----

type shape interface{ area(n int) uint64 }
type square struct{ a, b uint64 }
type holder struct {
	pad uint64
	square
}

//go:noinline
func (s square) area(n int) uint64 {
	if n > 0 {
		return called(s.a) + s.area(n-1)
	}
	return s.a * s.b
}

//go:noinline
func through(s shape) uint64 { return s.area(2) }

//go:noinline
func generic[T any](v []T, f func(T) uint64) (sum uint64) {
	for _, x := range v {
		sum += f(x)
	}
	return
}

func jobWrapped() {
	sink += through(square{2, 3}) + through(&square{2, 3}) + through(holder{}) + through(&holder{})
	sink += generic([]int{1, 2}, func(v int) uint64 { return called(uint64(v)) })
	f := square{4, 5}.area
	sink += f(1)
}

func jobReflect() {
	v := reflect.ValueOf(called).Call([]reflect.Value{reflect.ValueOf(uint64(3))})
	sink += v[0].Uint()
}

// ---- signals ----

var notify = make(chan os.Signal, 100)

func jobSignals() {
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case <-notify:
	default:
	}
}

// signals to threads, as the profiler and the scheduler send them
func jobStorm() {
	pid := os.Getpid()
	for tid := pid; tid < pid+64; tid++ {
		syscall.Syscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGURG))
		syscall.Syscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGPROF))
	}
}

// jobMixed goes through everything in few instructions.
func jobMixed() {
	sink += called(1) + small(2) + asm.SpinLeaf(2) + asm.SpinFrame(2) + asm.SpinPushed(2)
	moving(300)
	sink += uint64(time.Since(begin))
	syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0)
	syscall.Syscall(syscall.SYS_GETPPID, 0, 0, 0)
	sink += deeper(int(sink % 3 * 8))
	runtime.Gosched()
	jobFaults()
	jobPanics()
	jobDefers()
	jobWrapped()
	jobReflect()
	keep = []interface{}{tree(2), make([]byte, 40000), map[int]int{1: 2}}
	jobChannel()
	jobSleep()
	jobGoexit()
	jobRandom()
	jobSignals()
	for _, f := range mixed {
		f()
	}
	done := make(chan uint64)
	go func() { done <- deeper(16) }()
	sink += <-done
}

var mixed []func() // more, with cgo

func main() {
	if n, err := strconv.Atoi(os.Getenv("RUNNING_GOGC")); err == nil {
		debug.SetGCPercent(n)
	}
	if os.Getenv("RUNNING_PROFILE") != "" {
		runtime.SetCPUProfileRate(500)
	}
	signal.Notify(notify, syscall.SIGUSR1)
	started := make(chan string)
	var words []string
	for _, arg := range os.Args[1:] {
		name := strings.TrimSuffix(arg, "!")
		if jobs[name] == nil {
			panic("no job " + name)
		}
		go work(name, name != arg, started)
		words = append(words, <-started)
	}
	lib.Ready(words...)
	lib.Commands(map[string]lib.Handler{
		"rounds": func([]string) (string, error) { return fmt.Sprint(atomic.LoadUint64(&rounds)), nil },
		"die":    die,
	})
}
