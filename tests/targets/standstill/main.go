// standstill: what goes wrong between goroutines over time, each at a command, beside what is healthy.
//
//	deadlock   two goroutines lock two mutexes crosswise; answers their ids
//	livelock   two goroutines that give way to each other forever; answers their ids
//	token      two goroutines that hand one value to each other for ever; answers their ids
//	relay      three that hand it round, and rest in between; answers their ids
//	spin       a goroutine that waits for a flag by looking at it; answers its id
//	swap       two that wait with compare-and-swap, one with Gosched; answers their ids
//	poll       two that go round in a select with default, one receives, one sends; answers their ids
//	progress   the same, but each gets its second lock now and then
//	writer     a reader that stays, a writer, and readers behind it; answers the ids of reader and writer
//	starve     a lock that is not fair: one waits while two others pass it on; answers the id of who waits
//	busy       goroutines that fight for locks as fast as they can
//	idle       workers that wait for work
//	crowd N    N more of them
//	queue      a producer, workers and one who gathers: numbers go through channels as fast as they can
//	ask        questions and answers over channels, counted in a variable that nobody has on a stack
//	hash       a goroutine that only computes
//	tick       tickers, and a loop that sleeps and looks for work
//	serve      an HTTP server and its clients
//	garbage    goroutines that allocate as fast as they can
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"targets/lib"
)

var (
	a, b, c, d, first, second sync.Mutex
	books                     sync.RWMutex
	hot                       [4]sync.Mutex
	table                     sync.RWMutex
	work                      = make(chan int)
	sink                      int64
	got                       int64
)

func goid() uint64 {
	var buf [64]byte
	id, _ := strconv.ParseUint(strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))[1], 10, 64)
	return id
}

// start runs f in a goroutine and returns its id.
func start(f func()) uint64 {
	id := make(chan uint64)
	go func() { id <- goid(); f() }()
	return <-id
}

//go:noinline
func cross(x, y *sync.Mutex, both *sync.WaitGroup) {
	x.Lock()
	defer x.Unlock()
	both.Done()
	both.Wait()
	y.Lock()
	atomic.AddInt64(&sink, 1)
	y.Unlock()
}

func deadlock([]string) (string, error) {
	var both sync.WaitGroup
	both.Add(2)
	return fmt.Sprint(start(func() { cross(&a, &b, &both) }), start(func() { cross(&b, &a, &both) })), nil
}

// polite gives its own lock back when the other's is taken, which it always is: the other does the same.
//
//go:noinline
func polite(mine, other *sync.Mutex, meet func()) {
	for {
		mine.Lock()
		meet()
		if other.TryLock() {
			atomic.AddInt64(&got, 1)
			time.Sleep(5 * time.Millisecond)
			other.Unlock()
			mine.Unlock()
			continue
		}
		meet()
		mine.Unlock()
		time.Sleep(time.Millisecond)
	}
}

// meeting returns when two have come, so that both hold their first lock whenever one tries the other.
func meeting() func() {
	var n int64
	return func() {
		until := (atomic.AddInt64(&n, 1) + 1) / 2 * 2
		for atomic.LoadInt64(&n) < until {
			time.Sleep(time.Millisecond)
		}
	}
}

func livelock([]string) (string, error) {
	meet := meeting()
	return fmt.Sprint(start(func() { polite(&c, &d, meet) }), start(func() { polite(&d, &c, meet) })), nil
}

func progress([]string) (string, error) {
	pause := func() { time.Sleep(2 * time.Millisecond) }
	late := func() { time.Sleep(3 * time.Millisecond) }
	return fmt.Sprint(start(func() { polite(&first, &second, pause) }), start(func() { polite(&second, &first, late) })), nil
}

func writer([]string) (string, error) {
	reads := make(chan bool)
	reader := start(func() { books.RLock(); reads <- true; time.Sleep(time.Hour); books.RUnlock() })
	<-reads
	one := start(func() { books.Lock(); atomic.AddInt64(&sink, 1); books.Unlock() })
	for books.TryRLock() { // until the writer waits
		books.RUnlock()
		time.Sleep(time.Millisecond)
	}
	for i := 0; i < 3; i++ {
		start(func() { books.RLock(); atomic.AddInt64(&sink, 1); books.RUnlock() })
	}
	return fmt.Sprint(reader, one), nil
}

// The lock goes round in a queue of many who keep it long: who has just come waits for all of them.
func starve([]string) (string, error) {
	var slow sync.Mutex
	for i := 0; i < 40; i++ {
		start(func() {
			for {
				slow.Lock()
				time.Sleep(60 * time.Millisecond)
				slow.Unlock()
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	return fmt.Sprint(start(func() { slow.Lock(); atomic.AddInt64(&sink, 1); slow.Unlock() })), nil
}

//go:noinline
func pass(in <-chan int, out chan<- int, rest time.Duration) {
	for {
		out <- <-in
		time.Sleep(rest)
	}
}

func relay(n int, rest time.Duration) string {
	ring := make([]chan int, n)
	ids := make([]string, n)
	for i := range ring {
		ring[i] = make(chan int)
	}
	for i := range ring {
		i := i
		ids[i] = fmt.Sprint(start(func() { pass(ring[i], ring[(i+1)%n], rest) }))
	}
	ring[0] <- 7
	return strings.Join(ids, " ")
}

var flag, gate int32

//go:noinline
func awaitFlag() {
	for atomic.LoadInt32(&flag) == 0 {
	}
}

//go:noinline
func acquire(yield bool) {
	for !atomic.CompareAndSwapInt32(&gate, 0, 1) {
		if yield {
			runtime.Gosched()
		}
	}
}

func swap([]string) (string, error) {
	atomic.StoreInt32(&gate, 1)
	return fmt.Sprint(start(func() { acquire(false) }), start(func() { acquire(true) })), nil
}

//go:noinline
func pollIn(c <-chan int) {
	for {
		select {
		case n := <-c:
			atomic.AddInt64(&sink, int64(n))
		default:
		}
	}
}

//go:noinline
func pollOut(c chan<- int) {
	for {
		select {
		case c <- 1:
			return
		default:
			runtime.Gosched()
		}
	}
}

func poll([]string) (string, error) {
	in, out := make(chan int), make(chan int)
	return fmt.Sprint(start(func() { pollIn(in) }), start(func() { pollOut(out) })), nil
}

func queue([]string) (string, error) {
	jobs, results := make(chan int), make(chan int)
	start(func() {
		for n := 0; ; n++ {
			jobs <- n
		}
	})
	for i := 0; i < 3; i++ {
		start(func() {
			for n := range jobs {
				results <- n * n
			}
		})
	}
	start(func() {
		for range results {
			atomic.AddInt64(&sink, 1)
		}
	})
	// the same with a value that is always the same, and a buffer
	ones := make(chan int, 4)
	start(func() {
		for {
			ones <- 1
		}
	})
	start(func() {
		for n := range ones {
			atomic.AddInt64(&sink, int64(n))
		}
	})
	return "", nil
}

var asked [4]int64

//go:noinline
func answer(q chan int, a chan int) {
	for n := range q {
		atomic.AddInt64(&asked[2], 1)
		a <- n
	}
}

func ask([]string) (string, error) {
	q, a := make(chan int), make(chan int)
	start(func() { answer(q, a) })
	start(func() {
		for {
			q <- 3
			<-a
		}
	})
	return "", nil
}

func hash([]string) (string, error) {
	start(func() {
		x := uint64(1)
		for {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			if x == 0 {
				return
			}
		}
	})
	return "", nil
}

func tick([]string) (string, error) {
	start(func() {
		for range time.NewTicker(3 * time.Millisecond).C {
			atomic.AddInt64(&sink, 1)
		}
	})
	start(func() {
		for range time.NewTicker(3 * time.Millisecond).C {
		}
	})
	start(func() {
		for {
			select {
			case <-work:
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	start(func() {
		for {
			select {
			case <-work:
			default:
				time.Sleep(2 * time.Millisecond)
			}
		}
	})
	return "", nil
}

func serve([]string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("yes")) }))
	for i := 0; i < 4; i++ {
		start(func() {
			for {
				if r, err := http.Get("http://" + l.Addr().String()); err == nil {
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
			}
		})
	}
	return "", nil
}

var kept [8][]byte

func garbage([]string) (string, error) {
	for i := range kept {
		i := i
		start(func() {
			for {
				kept[i] = make([]byte, 1<<12)
			}
		})
	}
	return "", nil
}

func busy([]string) (string, error) {
	for i := 0; i < 24; i++ {
		i := i
		start(func() {
			for n := i; ; n++ {
				x, y := &hot[n%2], &hot[2+n%2]
				x.Lock()
				y.Lock()
				atomic.AddInt64(&sink, 1)
				y.Unlock()
				x.Unlock()
				table.RLock()
				runtime.Gosched()
				table.RUnlock()
				if n%16 == 0 {
					table.Lock()
					atomic.AddInt64(&sink, 1)
					table.Unlock()
				}
			}
		})
	}
	return "", nil
}

func idle([]string) (string, error) {
	for i := 0; i < 20; i++ {
		start(func() {
			for n := range work {
				atomic.AddInt64(&sink, int64(n))
			}
		})
	}
	return "", nil
}

func crowd(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	for i := 0; i < n; i++ {
		go func() {
			for n := range work {
				atomic.AddInt64(&sink, int64(n))
			}
		}()
	}
	return "", err
}

func main() {
	lib.Ready()
	lib.Commands(map[string]lib.Handler{"deadlock": deadlock, "livelock": livelock, "progress": progress,
		"writer": writer, "starve": starve, "busy": busy, "idle": idle, "crowd": crowd,
		"token": func([]string) (string, error) { return relay(2, 0), nil },
		"relay": func([]string) (string, error) { return relay(3, time.Millisecond), nil },
		"spin":  func([]string) (string, error) { return fmt.Sprint(start(awaitFlag)), nil },
		"swap":  swap, "poll": poll, "queue": queue, "ask": ask, "hash": hash, "tick": tick, "serve": serve, "garbage": garbage,
		"got": func([]string) (string, error) { return fmt.Sprint(atomic.LoadInt64(&got)), nil }})
}
