// cores: memory and threads that a core file must hold, or must not.
package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"targets/lib"
)

var kept [][]byte // so that the collector leaves them alone

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(&b[0])) }

// threads makes so many threads that sit in a system call each.
func threads(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	in, _, err := os.Pipe()
	if err != nil {
		return "", err
	}
	fd := int(in.Fd()) // blocking from now on
	for i := 0; i < n; i++ {
		go block(fd)
	}
	return "", nil
}

//go:noinline
func block(fd int) {
	runtime.LockOSThread()
	var b [1]byte
	syscall.Read(fd, b[:])
}

// pattern allocates memory with known content.
func pattern(args []string) (string, error) {
	b := make([]byte, 1<<20+123)
	rand.New(rand.NewSource(7)).Read(b)
	kept = append(kept, b)
	return fmt.Sprintf("addr=%d n=%d sha256=%x", addressOf(b), len(b), sha256.Sum256(b)), nil
}

// reserve maps so many GiB and writes into two pages of it.
func reserve(args []string) (string, error) {
	gib, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	n := gib << 30
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return "", err
	}
	syscall.Madvise(b, 15) // MADV_NOHUGEPAGE: two pages are two pages
	kept = append(kept, b)
	copy(b[n/2:], "in the middle")
	copy(b[n-4096:], "at the end")
	return fmt.Sprintf("addr=%d n=%d", addressOf(b), n), nil
}

// secret maps memory that says of itself that it belongs into no file.
func secret(args []string) (string, error) {
	b, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return "", err
	}
	kept = append(kept, b)
	for i := range b {
		b[i] = byte(i*i>>3 ^ i) // is nowhere else
	}
	return fmt.Sprintf("addr=%d", addressOf(b)), syscall.Madvise(b, 16) // MADV_DONTDUMP
}

func main() {
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"threads": threads, "pattern": pattern, "reserve": reserve, "secret": secret,
	})
}
