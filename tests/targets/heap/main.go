// heap: makes objects of every kind that the garbage collector knows, with its own collections
// turned off, and says what it knows of them.  What it writes while it is looked at comes from a
// buffer it has already: nothing is allocated between its answer and the look.
//
// Commands: "stats" answers the runtime's MemStats, "objects" what it made, "dump FILE" writes the
// runtime's own heap dump and answers MemStats just before, "gc" collects and answers as "stats", "young" makes objects after the last
// collection and says which, "churn" starts goroutines that make garbage, with collections on.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
)

var (
	answer = make([]byte, 0, 4<<20) // every answer is made in it
	input  = make([]byte, 256)
	stats  runtime.MemStats
)

func say() {
	answer = append(answer, '\n')
	for at := 0; at < len(answer); {
		n, err := syscall.Write(1, answer[at:])
		if err != nil {
			os.Exit(1)
		}
		at += n
	}
	answer = answer[:0]
}

// sayStats says what runtime.ReadMemStats found.
func sayStats() {
	answer = append(answer, "OK "...)
	add := func(key string, v uint64) {
		answer = append(answer, key...)
		answer = strconv.AppendUint(answer, v, 10)
	}
	add("HeapAlloc=", stats.HeapAlloc)
	add(" HeapObjects=", stats.HeapObjects)
	add(" Mallocs=", stats.Mallocs)
	add(" Frees=", stats.Frees)
	add(" NumGC=", uint64(stats.NumGC))
	for i := range stats.BySize {
		b := &stats.BySize[i]
		if b.Size > 0 {
			add(" ", uint64(b.Size))
			add(":", b.Mallocs-b.Frees)
		}
	}
	say()
}

func sayObjects() {
	answer = append(answer, "OK "...)
	for i := range known {
		sayObject(&known[i])
	}
	say()
}

// sayObject writes NAME:ADDRESS:SIZE:OFFSET>TARGET,... with hexadecimal numbers.
func sayObject(o *object) {
	answer = append(append(answer, o.name...), ':')
	answer = append(strconv.AppendUint(answer, uint64(o.addr), 16), ':')
	answer = append(strconv.AppendUint(answer, uint64(o.size), 16), ':')
	for _, e := range o.edges {
		answer = append(strconv.AppendUint(answer, uint64(e.offset), 16), '>')
		answer = append(strconv.AppendUint(answer, uint64(e.target), 16), ',')
	}
	answer = append(answer, ' ')
}

func dump(file string) {
	fd, err := syscall.Open(file, syscall.O_CREAT|syscall.O_WRONLY|syscall.O_TRUNC, 0600)
	if err != nil {
		panic(err)
	}
	runtime.ReadMemStats(&stats)
	debug.WriteHeapDump(uintptr(fd))
	syscall.Close(fd)
	sayStats()
}

// readLine reads a command; nothing at the end.
func readLine() []byte {
	n := 0
	for n == 0 || input[n-1] != '\n' {
		k, err := syscall.Read(0, input[n:])
		if k <= 0 || err != nil {
			return nil
		}
		n += k
	}
	return input[:n-1]
}

func main() {
	debug.SetGCPercent(-1)
	makeAll()
	runtime.GC()
	runtime.GC()
	fmt.Printf("READY pid=%d go=%s\n", os.Getpid(), runtime.Version())
	for {
		line := readLine() // compared as strings, without making one
		switch {
		case string(line) == "stats":
			runtime.ReadMemStats(&stats)
			sayStats()
		case string(line) == "objects":
			sayObjects()
		case string(line) == "gc":
			runtime.GC()
			runtime.ReadMemStats(&stats)
			sayStats()
		case string(line) == "young":
			known = known[:0]
			makeYoung()
			sayObjects()
		case string(line) == "churn":
			churn()
			answer = append(answer, "OK"...)
			say()
		case len(line) > 5 && string(line[:5]) == "dump ":
			dump(string(line[5:]))
		default:
			os.Exit(0)
		}
	}
}
