// debugged is what the tests of the debugger's mechanism hold: goroutines that call functions whose
// first instruction is of every kind, count the calls, and look whether each did what it should.
//
//	debugged
//
// It prints READY and answers lines on standard input with OK: "calls" (how many calls of each
// function have returned), "wrong" (results that were wrong), "go N LIMIT" (N workers begin, each of
// them ends after LIMIT calls), "join" (waits for them), "stop" (they end), "once K" (one call of
// function K), "hot K N" (N of them: nanoseconds of one), "usr1" (how many SIGUSR1 came), "exec N"
// (runs N programs), "threads N" (as many threads come and go), "raise" (a breakpoint of its own),
// "fault" (a nil pointer is followed), "watch N" (writes Watched), "become" (execs itself), "end".
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	calls [kinds]uint64
	wrong uint64
	usr1  uint64
	// Watched is written by "watch N".
	Watched uint64
)

var stop int32
var workers sync.WaitGroup

//go:noinline
func work(k int) {
	if !step(k, uint64(k)+7) {
		atomic.AddUint64(&wrong, 1)
	}
	atomic.AddUint64(&calls[k], 1)
}

func worker(id int, limit int) {
	defer workers.Done()
	for i := 0; (limit == 0 || i < limit) && atomic.LoadInt32(&stop) == 0; i++ {
		work((id + i) % kinds)
		if i%64 == 0 {
			runtime.Gosched()
		}
	}
}

func number(s []string, i, otherwise int) int {
	if i < len(s) {
		if n, err := strconv.Atoi(s[i]); err == nil {
			return n
		}
	}
	return otherwise
}

//go:noinline
func follow(p *int) int { return *p }

func fault() (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	return strconv.Itoa(follow(nil))
}

func run(n int) string {
	ok := 0
	for i := 0; i < n; i++ {
		if exec.Command("/bin/true").Run() == nil {
			ok++
		}
	}
	return strconv.Itoa(ok)
}

//go:noinline
func write(n int) {
	for i := 0; i < n; i++ {
		atomic.StoreUint64(&Watched, uint64(i))
	}
}

func begin(n, limit int) {
	atomic.StoreInt32(&stop, 0)
	for i := 0; i < n; i++ {
		workers.Add(1)
		go worker(i, limit)
	}
}

func threads(n int) string {
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			work(0)
			wg.Done()
		}()
	}
	wg.Wait()
	return ""
}

func answer(words []string) string {
	switch words[0] {
	case "go":
		begin(number(words, 1, 4), number(words, 2, 0))
	case "stop":
		atomic.StoreInt32(&stop, 1)
		workers.Wait()
	case "join":
		workers.Wait()
	case "calls":
		text := ""
		for k := range calls {
			text += fmt.Sprint(atomic.LoadUint64(&calls[k]), " ")
		}
		return text
	case "wrong":
		return fmt.Sprint(atomic.LoadUint64(&wrong))
	case "usr1":
		return fmt.Sprint(atomic.LoadUint64(&usr1))
	case "exec":
		return run(number(words, 1, 1))
	case "threads":
		return threads(number(words, 1, 1))
	case "raise":
		raise()
	case "fault":
		return fault()
	case "watch":
		write(number(words, 1, 1))
	case "once":
		work(number(words, 1, 0))
	case "hot":
		n := number(words, 2, 1)
		start := time.Now()
		for i := 0; i < n; i++ {
			call(number(words, 1, 0), 1)
		}
		return fmt.Sprint(time.Since(start).Nanoseconds() / int64(n))
	case "become":
		syscall.Exec(os.Args[0], os.Args, os.Environ())
	case "end":
		os.Exit(number(words, 1, 0))
	}
	return ""
}

func main() {
	ch := make(chan os.Signal, 100000)
	signal.Notify(ch, syscall.SIGUSR1)
	go func() {
		for range ch {
			atomic.AddUint64(&usr1, 1)
		}
	}()
	fmt.Println("READY", os.Getpid())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if words := strings.Fields(in.Text()); len(words) > 0 {
			fmt.Println("OK", answer(words))
		}
	}
}
