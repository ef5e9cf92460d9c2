package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// forks: children end with the status they have, and one SIGCHLD comes for each.  One child at a time,
// as signals of a kind are merged while they are pending.
func forks() func() error {
	ended := make(chan os.Signal, 1000)
	signal.Notify(ended, syscall.SIGCHLD)
	return func() error {
		err := exec.Command("/bin/sh", "-c", "exit 7").Run()
		var status *exec.ExitError
		if !errors.As(err, &status) || status.ExitCode() != 7 {
			return fmt.Errorf("the child ended with %v", err)
		}
		<-ended
		if len(ended) != 0 {
			return fmt.Errorf("one child has ended, and %d signals came", 1+len(ended))
		}
		return nil
	}
}

// signals: each is delivered once.  All kinds are under way at the same time, one of each.
func signals() func() error {
	kinds := []syscall.Signal{syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGIO, 40, 41}
	var arrived []chan os.Signal
	for _, kind := range kinds {
		c := make(chan os.Signal, 1000)
		signal.Notify(c, kind)
		arrived = append(arrived, c)
	}
	return func() error {
		for _, kind := range kinds {
			if err := syscall.Kill(os.Getpid(), kind); err != nil {
				return err
			}
		}
		for i, c := range arrived {
			<-c
			if len(c) != 0 {
				return fmt.Errorf("signal %d was sent once and came %d times", kinds[i], 1+len(c))
			}
		}
		time.Sleep(100 * time.Microsecond)
		return nil
	}
}

var profiled bytes.Buffer

// profile on, profile off: a timer signal goes to whoever uses the processor.  Answers with the size.
func profile(args []string) (string, error) {
	if args[0] == "on" {
		return "", pprof.StartCPUProfile(&profiled)
	}
	pprof.StopCPUProfile()
	return strconv.Itoa(profiled.Len()), nil
}

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// seccomp NUMBER...: from now on these system calls kill the process; `fork` stands for a clone() that
// makes a process.
func seccomp(args []string) (string, error) {
	const (
		load, jumpEqual, and, ret = 0x20, 0x15, 0x54, 0x06
		kill, allow               = 0x80000000, 0x7fff0000
		thread                    = 0x10000
		sysSeccomp, setFilter     = 317, 1
		allThreads                = 1
		setNoNewPrivs             = 38
	)
	filter := []instruction{{code: load}} // the number of the call
	for _, arg := range args {
		if arg == "fork" {
			filter = append(filter,
				instruction{jumpEqual, 0, 5, syscall.SYS_CLONE},
				instruction{code: load, k: 16},
				instruction{code: and, k: thread},
				instruction{jumpEqual, 0, 1, 0},
				instruction{code: ret, k: kill},
				instruction{code: ret, k: allow})
			continue
		}
		nr, err := strconv.Atoi(arg)
		if err != nil {
			return "", err
		}
		filter = append(filter, instruction{jumpEqual, 0, 1, uint32(nr)},
			instruction{code: ret, k: kill})
	}
	filter = append(filter, instruction{code: ret, k: allow})
	runtime.LockOSThread() // both calls in the same thread
	defer runtime.UnlockOSThread()
	program := struct {
		n    uint16
		code *instruction
	}{uint16(len(filter)), &filter[0]}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return "", errno
	}
	if r, _, errno := syscall.Syscall(sysSeccomp, setFilter, allThreads,
		uintptr(unsafe.Pointer(&program))); errno != 0 || r != 0 {
		return "", fmt.Errorf("seccomp: %d, %v", r, errno)
	}
	return "", nil
}
