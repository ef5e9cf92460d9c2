// Package lib is what every target of the end-to-end tests has in common: it says when it is ready,
// obeys commands on its standard input, and writes what it knows of itself.
package lib

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Ready tells the test that the target is in the state it wants to be seen in.
// Each word is key=value.
func Ready(words ...string) {
	fmt.Printf("READY pid=%d go=%s", os.Getpid(), runtime.Version())
	for _, word := range words {
		fmt.Print(" ", word)
	}
	fmt.Println()
}

// Handler answers one command; the error is reported to the test, which fails.
type Handler func(args []string) (string, error)

// Commands reads commands from stdin, one a line, and answers each with one line, "OK text" or
// "ERR text".  It ends the process when stdin is closed.  Call it last in main.
func Commands(handlers map[string]Handler) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		handler, known := handlers[words[0]]
		if !known {
			fmt.Println("ERR unknown command", words[0])
			continue
		}
		text, err := handler(words[1:])
		if err != nil {
			fmt.Println("ERR", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Println(strings.TrimSpace("OK " + text))
	}
	os.Exit(0)
}

// Dumps makes SIGUSR2 write pprof.Lookup("goroutine") with debug=2 to the descriptor $DUMP_FD, which
// the test has filled: the write blocks, in a system call, until the test reads.  Meanwhile every
// goroutine is where the dump says it is.
func Dumps() {
	fd, err := strconv.Atoi(os.Getenv("DUMP_FD"))
	if err != nil {
		return // not asked for
	}
	out := os.NewFile(uintptr(fd), "dump")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go func() {
		for range signals {
			if err := pprof.Lookup("goroutine").WriteTo(out, 2); err != nil {
				panic(err)
			}
			if _, err := out.WriteString("\nEND OF DUMP\n"); err != nil {
				panic(err)
			}
		}
	}()
}

// Settle returns when every goroutine but the caller is blocked, and done (when not nil) says so, too.  Whoever is in one
// of the functions named by restless ("main.spin") runs for ever and is not waited for.  Instead of a time.Sleep: no time
// is long enough on a machine that is full.
func Settle(done func() bool, restless ...string) {
	buf := make([]byte, 1<<20)
	for {
		text := buf[:runtime.Stack(buf, true)]
		if len(text) == len(buf) {
			buf = make([]byte, 2*len(buf))
			continue
		}
		if !busy(text, restless) && (done == nil || done()) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// busy tells whether one of the goroutines of a dump is running or runnable, but for the first, who made the dump, and
// the restless.
func busy(dump []byte, restless []string) bool {
	for _, one := range bytes.Split(dump, []byte("\n\n"))[1:] {
		if bytes.Contains(one, []byte(" [runn")) && !isIn(one, restless) {
			return true
		}
	}
	return false
}

func isIn(goroutine []byte, funcs []string) bool {
	for _, f := range funcs {
		if bytes.Contains(goroutine, []byte("\n"+f+"(")) {
			return true
		}
	}
	return false
}
