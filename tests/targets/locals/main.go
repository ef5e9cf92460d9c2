// locals: goroutines that wait with variables of every kind in their frames, and a table of what each
// variable is worth by the program's own words (command "table", JSON).  A goroutine named "mover"
// recurses and returns all the time, with arguments that tell whether they belong together.
//
// How a value is written is docs/formats/values.md; the numbers and texts come from fmt.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"targets/lib"
)

type row struct{ Func, Name, Type, Value, Kind string }

var (
	tableLock sync.Mutex
	table     []row
	parked    sync.WaitGroup
	forever   = make(chan int)
	sink      atomic.Value
)

// say notes what a variable is worth: its type by %T of v.
func say(fn, name string, v any, format string, args ...any) {
	sayType(fn, name, fmt.Sprintf("%T", v), format, args...)
}

func sayType(fn, name, typ, format string, args ...any) {
	kind := "variable"
	if strings.HasPrefix(name, "arg:") {
		kind, name = "argument", name[4:]
	} else if strings.HasPrefix(name, "res:") {
		kind, name = "result", name[4:]
	}
	tableLock.Lock()
	defer tableLock.Unlock()
	table = append(table, row{"main." + fn, name, typ, fmt.Sprintf(format, args...), kind})
}

//go:noinline
func park() {
	parked.Done()
	<-forever
}

//go:noinline
func keep(args ...any) { fmt.Fprintln(io.Discard, args...) }

type color int

const (
	red color = iota
	green
	blue
)

type flags uint8

type point struct{ X, Y int32 }

type named struct {
	point
	*os.File
	Name string
	tags []string
	next *named
}

type celsius float64

type text string

type empty struct{}

type failure struct{ code int }

func (f failure) Error() string { return fmt.Sprint("code ", f.code) }

type pair[K comparable, V any] struct {
	key K
	val V
}

//go:noinline
func numbers(i8 int8, u16 uint16, f32 float32, big uint64, c color) (total int) {
	const fn = "numbers"
	i, i16, i32, i64 := -1, int16(-300), int32(math.MinInt32), int64(math.MaxInt64)
	u8, u32, ptr := uint8(200), uint32(4e9), uintptr(0xabc)
	r, b := 'é', byte('A')
	f64, tiny, huge, nan, inf := 3.25, 1e-9, 1.5e300, math.NaN(), math.Inf(-1)
	million, third := 1e6, 1.0/3
	c64, c128 := complex64(1+2i), complex(0.5, -1.5)
	yes, no := true, false
	temp, bits, other := celsius(-40.5), flags(6), color(17)
	total = 99
	say(fn, "arg:i8", i8, "%d", i8)
	say(fn, "arg:u16", u16, "%d", u16)
	say(fn, "arg:f32", f32, "%v", f32)
	say(fn, "arg:big", big, "%d", big)
	say(fn, "arg:c", c, "blue (%d)", c)
	say(fn, "res:total", total, "%d", total)
	say(fn, "i", i, "%d", i)
	say(fn, "i16", i16, "%d", i16)
	say(fn, "i32", i32, "%d", i32)
	say(fn, "i64", i64, "%d", i64)
	say(fn, "u8", u8, "%d", u8)
	say(fn, "u32", u32, "%d", u32)
	say(fn, "ptr", ptr, "%d", ptr)
	say(fn, "r", r, "%d", r)
	say(fn, "b", b, "%d", b)
	say(fn, "f64", f64, "%v", f64)
	say(fn, "tiny", tiny, "%v", tiny)
	say(fn, "huge", huge, "%v", huge)
	say(fn, "nan", nan, "%v", nan)
	say(fn, "inf", inf, "%v", inf)
	say(fn, "million", million, "%v", million)
	say(fn, "third", third, "%v", third)
	say(fn, "c64", c64, "%v", c64)
	say(fn, "c128", c128, "%v", c128)
	say(fn, "yes", yes, "%v", yes)
	say(fn, "no", no, "%v", no)
	say(fn, "temp", temp, "%v", float64(temp))
	say(fn, "bits", bits, "%d", bits)
	say(fn, "other", other, "%d", int(other))
	park()
	keep(i, i16, i32, i64, u8, u32, ptr, r, b, f64, tiny, huge, nan, inf, million, third, c64, c128, yes, no,
		temp, bits, other, i8, u16, f32, big, c, green)
	return total
}

//go:noinline
func texts(s string, t text) {
	const fn = "texts"
	plain, none, quoted := "hello", "", "a\"b\\c\n\t\x01é\xff"
	long := strings.Repeat("0123456789", 10)
	var zero string
	say(fn, "arg:s", s, "%q", s)
	say(fn, "arg:t", t, "%q", string(t))
	say(fn, "plain", plain, "%q", plain)
	say(fn, "none", none, "%q", none)
	say(fn, "quoted", quoted, "%q", quoted)
	say(fn, "long", long, "%q…+%d", long[:64], len(long)-64)
	say(fn, "zero", zero, "%q", zero)
	park()
	keep(s, t, plain, none, quoted, long, zero)
}

//go:noinline
func lists(arg []int, arr [3]int16) {
	const fn = "lists"
	var null []string
	none, words := []byte{}, append(make([]string, 0, 4), "a", "b")
	points, many := []point{{1, 2}, {3, 4}}, make([]uint32, 100)
	grid, zeros, units := [2][2]bool{{true, false}, {false, true}}, [0]int{}, [3]empty{}
	deep := [][]int{{1}, {2, 3}, nil}
	say(fn, "arg:arg", arg, "len: %d, cap: %d, [%d, %d, %d]", len(arg), cap(arg), arg[0], arg[1], arg[2])
	say(fn, "arg:arr", arr, "[%d, %d, %d]", arr[0], arr[1], arr[2])
	say(fn, "null", null, "nil")
	say(fn, "none", none, "len: 0, cap: 0, []")
	say(fn, "words", words, "len: 2, cap: 4, [%q, %q]", words[0], words[1])
	say(fn, "points", points, "len: 2, cap: 2, [{X: 1, Y: 2}, {X: 3, Y: 4}]")
	say(fn, "many", many, "len: 100, cap: 100, [0, 0, 0, 0, 0, 0, 0, 0, …+92]")
	say(fn, "grid", grid, "[[true, false], [false, true]]")
	say(fn, "zeros", zeros, "[]")
	say(fn, "units", units, "[{}, {}, {}]")
	say(fn, "deep", deep, "len: 3, cap: 3, [len: 1, cap: 1, [1], len: 2, cap: 2, [2, 3], nil]")
	park()
	keep(arg, arr, null, none, words, points, many, grid, zeros, units, deep)
}

//go:noinline
func structs(p point, n *named) {
	const fn = "structs"
	one := struct {
		a int
		b struct{ c string }
	}{1, struct{ c string }{"x"}}
	var unit empty
	var nothing *point
	q := &point{5, 6}
	pp := &q
	loop := &named{Name: "loop", tags: []string{"t"}}
	loop.next = loop
	say(fn, "arg:p", p, "{X: %d, Y: %d}", p.X, p.Y)
	say(fn, "arg:n", n, "%p → {point: {X: 7, Y: 8}, File: nil, Name: \"n\", tags: nil, next: nil}", n)
	say(fn, "one", one, "{a: 1, b: {c: \"x\"}}")
	say(fn, "unit", unit, "{}")
	say(fn, "nothing", nothing, "nil")
	say(fn, "q", q, "%p → {X: 5, Y: 6}", q)
	say(fn, "pp", pp, "%p → %p", pp, q)
	say(fn, "loop", loop, "%p → {point: {X: 0, Y: 0}, File: nil, Name: \"loop\", tags: len: 1, cap: 1, [\"t\"], next: %p}", loop, loop)
	park()
	keep(p, n, one, unit, nothing, q, pp, loop)
}

// entries writes a map's entries sorted: the test sorts ours, too.
func entries(lines ...string) string {
	sort.Strings(lines)
	return strings.Join(lines, ", ")
}

//go:noinline
func maps(m map[string]int) {
	const fn = "maps"
	var null map[int]bool
	none, one := map[point]string{}, map[color]*int{red: nil}
	large, wide, set := map[int]int{}, map[int][200]byte{}, map[[2]string]struct{}{{"a", "b"}: {}}
	var firsts []string
	for i := 0; i < 5; i++ {
		large[i] = i * i
		firsts = append(firsts, fmt.Sprintf("%d: %d", i, i*i))
	}
	wide[3] = [200]byte{9, 8}
	gone := map[string]int{"a": 1, "b": 2, "c": 3}
	delete(gone, "b")
	huge := map[int]int{}
	for i := 0; i < 5000; i++ {
		huge[i] = -i
	}
	say(fn, "arg:m", m, "len: 2, {%s}", entries(`"one": 1`, `"two": 2`))
	say(fn, "null", null, "nil")
	say(fn, "none", none, "len: 0, {}")
	say(fn, "one", one, "len: 1, {red (0): nil}")
	say(fn, "large", large, "len: 5, {%s}", entries(firsts...))
	say(fn, "wide", wide, "len: 1, {3: [9, 8, 0, 0, 0, 0, 0, 0, …+192]}")
	say(fn, "set", set, "len: 1, {[\"a\", \"b\"]: {}}")
	say(fn, "gone", gone, "len: 2, {%s}", entries(`"a": 1`, `"c": 3`))
	say(fn, "huge", huge, "len: 5000, {SOME}") // eight entries i: -i
	park()
	keep(m, null, none, one, large, wide, set, gone, huge)
}

//go:noinline
func refs(ch chan int, f func(int) int, e error) {
	const fn = "refs"
	var nilChan chan<- string
	var nilFunc func()
	closed := make(chan empty)
	close(closed)
	method, raw := e.Error, unsafe.Pointer(&table)
	say(fn, "arg:ch", ch, "%p len: 1, cap: 3", ch)
	say(fn, "arg:f", f, "main.main.func1")
	sayType(fn, "arg:e", "error", "(main.failure) {code: 42}")
	say(fn, "nilChan", nilChan, "nil")
	say(fn, "nilFunc", nilFunc, "nil")
	say(fn, "closed", closed, "%p len: 0, cap: 0, closed", closed)
	say(fn, "method", method, "error.Error-fm")
	say(fn, "raw", raw, "%p", raw)
	park()
	keep(ch, f, e, nilChan, nilFunc, closed, method, raw)
}

//go:noinline
func interfaces(a any, w io.Writer) {
	const fn = "interfaces"
	var null any
	var nilErr error
	var typed error = (*os.PathError)(nil)
	var str fmt.Stringer = time.Second
	number, list, pointer := any(uint8(3)), any([]int{1}), any(&point{1, 1})
	small := any(struct{ p *int }{})
	wrapped := fmt.Errorf("outer: %w", errors.New("inner"))
	sayType(fn, "arg:a", "interface {}", "(main.color) green (1)")
	sayType(fn, "arg:w", "io.Writer", "(*os.File) %p → {file: %p}", w, *(*unsafe.Pointer)(unsafe.Pointer(w.(*os.File))))
	sayType(fn, "null", "interface {}", "nil")
	sayType(fn, "nilErr", "error", "nil")
	sayType(fn, "typed", "error", "(*io/fs.PathError) nil")
	sayType(fn, "str", "fmt.Stringer", "(time.Duration) 1s")
	sayType(fn, "number", "interface {}", "(uint8) 3")
	sayType(fn, "list", "interface {}", "([]int) len: 1, cap: 1, [1]")
	sayType(fn, "pointer", "interface {}", "(*main.point) %p → {X: 1, Y: 1}", pointer)
	sayType(fn, "small", "interface {}", "(struct { p *int }) {p: nil}")
	sayType(fn, "wrapped", "error", "(*fmt.wrapError) %p → {msg: \"outer: inner\", err: (*errors.errorString) %p}",
		wrapped, errors.Unwrap(wrapped))
	park()
	keep(a, w, null, nilErr, typed, str, number, list, pointer, small, wrapped)
}

//go:noinline
func times(d time.Duration, at time.Time) {
	const fn = "times"
	now, long, short, zero := time.Now(), 90*time.Minute+1500*time.Millisecond, -1500*time.Nanosecond, time.Time{}
	old := time.Date(1969, 7, 20, 20, 17, 40, 5000, time.FixedZone("x", 3600))
	say(fn, "arg:d", d, "%v", d)
	say(fn, "arg:at", at, "%s", at.UTC().Format(time.RFC3339Nano))
	say(fn, "now", now, "%s", now.UTC().Format(time.RFC3339Nano))
	say(fn, "long", long, "%v", long)
	say(fn, "short", short, "%v", short)
	say(fn, "zero", zero, "%s", zero.UTC().Format(time.RFC3339Nano))
	say(fn, "old", old, "%s", old.UTC().Format(time.RFC3339Nano))
	park()
	keep(d, at, now, long, short, zero, old)
}

//go:noinline
func escaped(n int) *int {
	const fn = "escaped"
	count, list := n*2, []int{n}
	later := func() { count++; list = append(list, count) }
	later()
	sink.Store(later)
	say(fn, "count", count, "%d", count)
	say(fn, "list", list, "len: 2, cap: %d, [%d, %d]", cap(list), list[0], list[1])
	say(fn, "arg:n", n, "%d", n)
	park()
	later()
	return &n
}

//go:noinline
func blocks(n int) {
	const fn = "blocks"
	x := "outer"
	for i := 0; i < 3; i++ {
		square := i * i
		if x := n + i; square == 4 {
			say(fn, "i", i, "%d", i)
			say(fn, "square", square, "%d", square)
			say(fn, "x", x, "%d", x)
			park()
			keep(x, square)
		} else {
			never := "this block is left"
			keep(never)
		}
	}
	after := "not yet"
	keep(x, after)
}

//go:noinline
func generic[K comparable, V any](k K, list []V, kName, kText, vName, vText string) {
	fn := "generic[...]"
	p := pair[K, V]{k, list[0]}
	last := &p
	sayType(fn, "arg:k", kName, "%s", kText)
	sayType(fn, "arg:list", "[]"+vName, "len: 1, cap: 1, [%s]", vText)
	sayType(fn, "p", "main.pair["+kName+","+vName+"]", "{key: %s, val: %s}", kText, vText)
	park()
	keep(k, list, p, last)
}

//go:noinline
func fill(list *[40]int, with int) {
	for i := range list {
		list[i] = with
	}
}

func forties(v int) string {
	return "[" + strings.Repeat(fmt.Sprint(v, ", "), 8) + "…+32]"
}

// slots has variables that are not needed at the same time: an optimising compiler gives them one place.
//
//go:noinline
func slots(n int) {
	const fn = "slots"
	var first [40]int
	fill(&first, n)
	keep(first[n])
	say(fn, "first", first, "%s", forties(n))
	if n > 0 {
		var second [40]int
		fill(&second, n+1)
		say(fn, "second", second, "%s", forties(n+1))
		park()
		keep(second[n])
	}
	var third [40]int
	fill(&third, n+2)
	keep(third[n])
}

// lines calls and waits within statements of several lines, before their variables are set.
//
//go:noinline
func lines(n int) {
	const fn = "lines"
	early := n + 1
	say(fn, "early", early, "%d", early)
	sum, list := add(early,
		wait(n)), [3]int{wait(n),
		early}
	keep(sum, list, early)
}

//go:noinline
func add(a, b int) int { return a + b }

//go:noinline
func wait(n int) int {
	say("wait", "arg:n", n, "%d", n)
	park()
	return n
}

func inlined(a, b int) int {
	sum := a + b
	double := sum * 2
	park()
	return sum + double
}

//go:noinline
func caller(n int) {
	got := inlined(n, 7) // 5 + 7
	keep(got)
}

// recurse goes down to 200 and back, again and again: its stack grows, is copied, and shrinks.
//
//go:noinline
func recurse(n, twice int, name string) int {
	if n == 200 {
		return n
	}
	below := recurse(n+1, 2*(n+1), name)
	return below ^ twice ^ n ^ len(name)
}

var stop atomic.Value

func mover() {
	for stop.Load() == nil {
		done := make(chan int)
		go func() { done <- recurse(0, 0, "mover") }()
		<-done
	}
}

// spin keeps its arguments in registers, and is only interrupted asynchronously.
//
//go:noinline
func spin(id, twice int, half float64, label string) int {
	n, sum := 0, 0.0
	for atomic.LoadInt32(&spinning) != 0 {
		n += id ^ twice
		sum += half
	}
	keep(id, twice, half, label)
	return n + int(sum)
}

var spinning int32

func start(f func()) {
	parked.Add(1)
	go f()
}

func main() {
	lib.Dumps()
	ch := make(chan int, 3)
	ch <- 1
	step := func(n int) int { return n + len(table) }
	start(func() { numbers(-8, 65535, 0.1, math.MaxUint64, blue) })
	start(func() { texts("arg", text("named")) })
	start(func() { lists([]int{1, 2, 3}, [3]int16{-1, 0, 1}) })
	start(func() { structs(point{-1, 1}, &named{point: point{7, 8}, Name: "n"}) })
	start(func() { maps(map[string]int{"one": 1, "two": 2}) })
	start(func() { refs(ch, step, failure{42}) })
	start(func() { interfaces(green, os.Stderr) })
	start(func() { times(1500*time.Millisecond, time.Unix(1e9, 1)) })
	start(func() { escaped(21) })
	start(func() { blocks(40) })
	start(func() { generic(7, []string{"v"}, "int", "7", "string", `"v"`) })
	start(func() { generic("k", []point{{1, 2}}, "string", `"k"`, "main.point", "{X: 1, Y: 2}") })
	start(func() { caller(5) })
	start(func() { slots(3) })
	start(func() { lines(8) })
	parked.Wait()
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"table": func([]string) (string, error) {
			out, err := json.Marshal(table)
			return string(out), err
		},
		"move": func([]string) (string, error) {
			for i := 0; i < 4; i++ {
				go mover()
			}
			return "", nil
		},
		"spin": func([]string) (string, error) {
			atomic.StoreInt32(&spinning, 1)
			for i := 1; i <= 2*runtime.GOMAXPROCS(0); i++ {
				go spin(i, 2*i, float64(i)/2, "spinner")
			}
			return "", nil
		},
		"rest": func([]string) (string, error) {
			stop.Store(true)
			atomic.StoreInt32(&spinning, 0)
			return "", nil
		},
	})
}
