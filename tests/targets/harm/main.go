// harm: work that is checked for being right, for the tests that looking at a process does it no harm.
//
// Each job goes round and round; a round that comes out wrong is kept.  The command `check` answers with
// the rounds of every job, or with what went wrong.  More jobs start and stop on command.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"targets/lib"
)

type job struct {
	rounds uint64
	stop   int32
	done   chan struct{}
}

var (
	mu    sync.Mutex
	jobs  = map[string]*job{}
	wrong []string
)

// extra jobs are those that only run when they are asked for; a row's function makes a round.
var extra = map[string]func() func() error{
	"threads": threads,
	"forks":   forks,
	"signals": signals,
	"heap":    churn,
	"procs":   procs,
}

func complain(name string, err error) {
	mu.Lock()
	defer mu.Unlock()
	wrong = append(wrong, name+": "+err.Error())
}

// begin starts a job: round is called until the job is stopped.
func begin(name string, round func() error) {
	j := &job{done: make(chan struct{})}
	mu.Lock()
	jobs[name] = j
	mu.Unlock()
	go func() {
		defer close(j.done)
		for atomic.LoadInt32(&j.stop) == 0 {
			if err := round(); err != nil {
				complain(name, err)
				return
			}
			atomic.AddUint64(&j.rounds, 1)
		}
	}()
}

func end(name string) {
	mu.Lock()
	j := jobs[name]
	delete(jobs, name)
	mu.Unlock()
	if j != nil {
		atomic.StoreInt32(&j.stop, 1)
		<-j.done
	}
}

func check([]string) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	if len(wrong) > 0 {
		return "", fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	var words []string
	for name, j := range jobs {
		words = append(words, fmt.Sprintf("%s=%d", name, atomic.LoadUint64(&j.rounds)))
	}
	sort.Strings(words)
	return strings.Join(words, " "), nil
}

func start(args []string) (string, error) {
	for _, name := range args {
		prepare, known := extra[name]
		if !known {
			return "", fmt.Errorf("there is no job %q", name)
		}
		begin(name, prepare())
	}
	return "", nil
}

func stop(args []string) (string, error) {
	for _, name := range args {
		end(name)
	}
	return "", nil
}

// leave ends the process: its own status must come through, whoever looks at it.
func leave(args []string) (string, error) {
	code, err := strconv.Atoi(args[0])
	if err == nil {
		os.Exit(code)
	}
	return "", err
}

// again makes the process this same program anew, n times; each says READY with what is left.
func again(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err == nil {
		os.Setenv("HARM_AGAIN", strconv.Itoa(n))
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	return "", err
}

// Between two of those: long enough to be looked at, short enough to be interrupted in the middle.
func goOn() {
	n, _ := strconv.Atoi(os.Getenv("HARM_AGAIN"))
	if n == 0 {
		return
	}
	lib.Ready("left=" + strconv.Itoa(n))
	time.Sleep(time.Duration(2+n%7*5) * time.Millisecond)
	if _, err := check(nil); err != nil {
		panic(err)
	}
	if _, err := again([]string{strconv.Itoa(n - 1)}); err != nil {
		panic(err)
	}
}

func main() {
	runtime.GOMAXPROCS(4)
	begin("registers", registers())
	begin("compute", compute())
	begin("ledger", ledger())
	begin("pages", pages())
	begin("pipe", pipe())
	begin("network", network())
	begin("sleep", sleep())
	begin("timers", timers())
	beginC()
	goOn()
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"check":   check,
		"start":   start,
		"stop":    stop,
		"exit":    leave,
		"again":   again,
		"seccomp": seccomp,
		"fill":    fill,
		"profile": profile,
	})
}
