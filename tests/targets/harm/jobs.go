package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand"
	"net"
	"runtime"
	"syscall"
	"time"

	"targets/harm/regs"
)

// registers: all of them keep their values while the thread runs.
func registers() func() error {
	return func() error {
		if n := regs.Hold(300000); n != 0 {
			return fmt.Errorf("%d registers have changed", n)
		}
		time.Sleep(300 * time.Microsecond)
		return nil
	}
}

//go:noinline
func chain(n int) (uint64, float64) {
	x, f := uint64(88172645463325252), 0.0
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		f = math.Sqrt(f + float64(x&0xffff))
	}
	return x, f
}

// compute: the same calculation has the same result every time.
func compute() func() error {
	wantX, wantF := chain(100000)
	return func() error {
		if x, f := chain(100000); x != wantX || f != wantF {
			return fmt.Errorf("%x %v is not %x %v", x, f, wantX, wantF)
		}
		time.Sleep(300 * time.Microsecond)
		return nil
	}
}

// ledger: money moves between accounts that the collector has to follow; the sum stays.
func ledger() func() error {
	const n, each = 256, 1000
	accounts := map[int]*int{}
	for i := 0; i < n; i++ {
		money := each
		accounts[i] = &money
	}
	return func() error {
		for i := 0; i < 100; i++ {
			from, to := rand.Intn(n), rand.Intn(n)
			less, more := *accounts[from]-1, 0
			accounts[from] = &less
			more = *accounts[to] + 1
			accounts[to] = &more
		}
		sum := 0
		for _, money := range accounts {
			sum += *money
		}
		if sum != n*each {
			return fmt.Errorf("%d are left of %d", sum, n*each)
		}
		time.Sleep(100 * time.Microsecond)
		return nil
	}
}

// pages: what was written last to a page is what is read from it, also while a copy shares it.
func pages() func() error {
	const n, size = 4096, 4096
	memory, sums := make([]byte, n*size), make([]uint32, n)
	page := func(i int) []byte { return memory[i*size : (i+1)*size] }
	for i := range sums {
		sums[i] = crc32.ChecksumIEEE(page(i))
	}
	return func() error {
		for k := 0; k < 16; k++ {
			i := rand.Intn(n)
			if crc32.ChecksumIEEE(page(i)) != sums[i] {
				return fmt.Errorf("page %d is not what was written to it", i)
			}
			rand.Read(page(i)[rand.Intn(size):])
			sums[i] = crc32.ChecksumIEEE(page(i))
		}
		time.Sleep(100 * time.Microsecond)
		return nil
	}
}

// pipe: bytes pass through blocking system calls, each once and in order.
func pipe() func() error {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		panic(err)
	}
	go func() {
		for i := 0; ; {
			n, err := syscall.Write(ends[1], []byte{byte(i)})
			if n == 1 {
				i++
			} else if err != syscall.EINTR {
				complain("pipe", fmt.Errorf("write: %d, %v", n, err))
				return
			}
			if i%64 == 0 {
				time.Sleep(200 * time.Microsecond)
			}
		}
	}()
	next, buf := byte(0), make([]byte, 100)
	return func() error {
		n, err := syscall.Read(ends[0], buf)
		if n <= 0 && err != syscall.EINTR {
			return fmt.Errorf("read: %d, %v", n, err)
		}
		for i := 0; i < n; i++ {
			if buf[i] != next {
				return fmt.Errorf("byte %d came instead of %d", buf[i], next)
			}
			next++
		}
		return nil
	}
}

// network: an echo comes back whole.
func network() func() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		server, err := listener.Accept()
		if err == nil {
			_, err = io.Copy(server, server)
		}
		complain("network", fmt.Errorf("the server ended: %v", err))
	}()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	sent, got := make([]byte, 2000), make([]byte, 2000)
	return func() error {
		rand.Read(sent)
		if _, err := client.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(client, got); err != nil {
			return err
		}
		if string(sent) != string(got) {
			return errors.New("the echo is not what was sent")
		}
		runtime.KeepAlive(listener) // the collector would close it
		time.Sleep(200 * time.Microsecond)
		return nil
	}
}

// sleep: nobody sleeps for less than was asked.
func sleep() func() error {
	const ms = 3
	return func() error {
		begun, left := time.Now(), syscall.Timespec{Nsec: ms * 1000000}
		for syscall.Nanosleep(&left, &left) == syscall.EINTR {
		}
		if d := time.Since(begun); d < ms*time.Millisecond {
			return fmt.Errorf("nanosleep took %v instead of %d ms", d, ms)
		}
		begun = time.Now()
		time.Sleep(ms * time.Millisecond)
		if d := time.Since(begun); d < ms*time.Millisecond {
			return fmt.Errorf("Sleep took %v instead of %d ms", d, ms)
		}
		return nil
	}
}

// timers: goroutines come and go, each timer fires once.
func timers() func() error {
	return func() error {
		const n = 20
		fired := make(chan int, 2*n)
		for i := 0; i < n; i++ {
			i := i
			time.AfterFunc(time.Duration(i)*100*time.Microsecond, func() { fired <- i })
		}
		sum := 0
		for i := 0; i < n; i++ {
			sum += <-fired
		}
		if sum != n*(n-1)/2 || len(fired) != 0 {
			return fmt.Errorf("timers have fired %d times, sum %d", n+len(fired), sum)
		}
		return nil
	}
}

// threads: a goroutine that ends while it has a thread for itself takes that with it.
func threads() func() error {
	return func() error {
		const n = 4
		tids := make(chan int, n)
		for i := 0; i < n; i++ {
			go func() {
				runtime.LockOSThread()
				tids <- syscall.Gettid()
			}()
		}
		seen := map[int]bool{}
		for i := 0; i < n; i++ {
			seen[<-tids] = true
		}
		if len(seen) == 0 {
			return errors.New("no thread was made")
		}
		time.Sleep(time.Millisecond)
		return nil
	}
}

// procs: GOMAXPROCS goes up and down, and reads as what it was set to.
func procs() func() error {
	n := 0
	return func() error {
		n++
		most := 2 + n%60
		runtime.GOMAXPROCS(most)
		if n%50 == 0 {
			time.Sleep(time.Millisecond)
		}
		if now := runtime.GOMAXPROCS(0); now != most {
			return fmt.Errorf("GOMAXPROCS is %d, not %d", now, most)
		}
		return nil
	}
}
