// pcframes: answers pcs on its standard input (link-time, in hex) with what its own runtime says about
// them: every inlined call, innermost first, then the physical function, and FuncForPC.
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"runtime"
	_ "runtime/pprof" // has the body of expand
	"strconv"
	_ "unsafe"

	"targets/lib"
)

// expand appends a pc for each caller of an inlined call; CallersFrames alone gives the innermost one
// only, before Go 1.22.
//
//go:linkname expand runtime/pprof.runtime_expandFinalInlineFrame
func expand(stack []uintptr) []uintptr

// anchor is a function whose link-time address the test knows.
//
//go:noinline
func anchor() {}

func answer(out *bufio.Writer, pc, slide uintptr) {
	fmt.Fprintf(out, "%x", pc-slide)
	frames := runtime.CallersFrames(expand([]uintptr{pc + 1}))
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		fmt.Fprintf(out, "\t%s %s:%d", f.Function, f.File, f.Line)
	}
	fmt.Fprintln(out)
}

func main() {
	_ = http.StatusOK // a program of some size
	lib.Ready()
	in := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	var slide uintptr
	for first := true; in.Scan(); first = false {
		v, err := strconv.ParseUint(in.Text(), 16, 64)
		if err != nil {
			panic(err)
		}
		if first { // the anchor
			slide = reflect.ValueOf(anchor).Pointer() - uintptr(v)
			continue
		}
		answer(out, uintptr(v)+slide, slide)
	}
	out.Flush()
}
