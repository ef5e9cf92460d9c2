// calls has functions of all shapes for a debugger to call.
//
//	calls truth   prints "expression<TAB>result" for each row of the table, as Go computes it
//	calls         calls stop() twenty times, while others work and allocate
//	calls unwind  has a function end by a panic that its caller recovers
//	calls forever the same without end
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

type point struct{ X, Y int }

type mixed struct {
	A   int8
	F   float32
	S   string
	B   bool
	P   *point
	C   complex64
	Z   struct{}
	One [1]uint16
}

type big struct {
	V [12]int
	S string
}

type shape interface {
	Area() float64
	Name() string
}

type square struct{ side float64 }

func (s square) Area() float64 { return s.side * s.side }
func (s square) Name() string  { return "square" }

type disc struct{ r float64 }

func (d *disc) Area() float64 { return 3 * d.r * d.r }
func (d *disc) Name() string  { return "disc of " + strconv.FormatFloat(d.r, 'g', -1, 64) }

//go:noinline
func (d *disc) Grow(by float64) float64 {
	d.r += by
	return d.r
}

type failure struct{ code int }

func (f failure) Error() string { return "failure " + strconv.Itoa(f.code) }

//go:noinline
func add(a, b int) int { return a + b }

//go:noinline
func nothing() { counter++ }

//go:noinline
func small(a int8, b uint16, c int32, d bool, e byte) int64 {
	if d {
		return int64(a) + int64(b) + int64(c) + int64(e)
	}
	return -int64(a) - int64(b) - int64(c) - int64(e)
}

//go:noinline
func floats(a float32, b float64, c float32) float64 { return float64(a)*b + float64(c) }

//go:noinline
func single(a float64) float32 { return float32(a) / 4 }

//go:noinline
func cplx(c complex128) complex128 { return c * c }

//go:noinline
func join(a, sep, b string) string { return a + sep + b }

//go:noinline
func repeat(s string, n int) string { return strings.Repeat(s, n) }

//go:noinline
func sum(v []int) int {
	n := 0
	for _, x := range v {
		n += x
	}
	return n
}

//go:noinline
func variadic(name string, v ...int) string { return name + fmt.Sprint(len(v), sum(v)) }

//go:noinline
func show(format string, v ...interface{}) string { return fmt.Sprintf(format, v...) }

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j, k, l int, s string, x float64) int {
	return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i + 10*j + 11*k + 12*l + len(s)*100 + int(x)*1000
}

//go:noinline
func mix(m mixed) string {
	return fmt.Sprint(m.A, m.F, m.S, m.B, m.P.X, m.C, m.One[0])
}

//go:noinline
func makeMixed(n int) mixed {
	return mixed{int8(n), float32(n) / 2, strconv.Itoa(n), n > 2, &point{n, n + 1}, complex(float32(n), 1), struct{}{}, [1]uint16{uint16(n)}}
}

//go:noinline
func makeBig(n int) big {
	b := big{S: strconv.Itoa(n)}
	for i := range b.V {
		b.V[i] = n * i
	}
	return b
}

//go:noinline
func sumBig(x int, b big, y int) int {
	n := x*1000 + y
	for _, v := range b.V {
		n += v
	}
	return n + len(b.S)
}

//go:noinline
func pair(n int) (int, error) {
	if n < 0 {
		return 0, failure{n}
	}
	return n * 2, nil
}

//go:noinline
func named(n int) (quotient int, rest float64) { return n / 3, float64(n % 3) }

//go:noinline
func area(s shape) float64 { return s.Area() * 2 }

//go:noinline
func typeOf(v interface{}) string { return fmt.Sprintf("%T %v", v, v) }

//go:noinline
func text(e error) string {
	if e == nil {
		return "none"
	}
	return e.Error()
}

//go:noinline
func fail(n int) error { return failure{n} }

//go:noinline
func newPoint(x, y int) *point { return &point{x, y} }

//go:noinline
func (p *point) sum() int { return p.X + p.Y }

//go:noinline
func (p point) scaled(by int) point { return point{p.X * by, p.Y * by} }

//go:noinline
func makeMap(n int) map[string]int {
	m := map[string]int{}
	for i := 0; i < n; i++ {
		m[strconv.Itoa(i)] = i * i
	}
	return m
}

//go:noinline
func apply(f func(int) int, n int) int { return f(n) }

//go:noinline
func double(n int) int { return n * 2 }

//go:noinline
func garbage(n int) *point {
	p := &point{n, n}
	runtime.GC()
	return p
}

//go:noinline
func panics(what string) int {
	switch what {
	case "text":
		panic("a text")
	case "error":
		panic(errors.New("an error"))
	case "value":
		panic(failure{7})
	case "bounds":
		return []int{1}[len(what)]
	case "nil":
		var p *point
		return p.X
	}
	return 1
}

//go:noinline
func ends() { runtime.Goexit() }

//go:noinline
func deep(n int) int {
	var pad [64]int
	if n == 0 {
		return 0
	}
	pad[n%64] = n
	return deep(n-1) + pad[n%64]/n
}

//go:noinline
func inner(n int) int {
	n++ // inner
	return n * 10
}

//go:noinline
func outer(n int) int { return inner(n) + 1 }

//go:noinline
func waits() string {
	done := make(chan string)
	go func() { done <- "from another goroutine" }()
	return <-done
}

//go:noinline
func spins() int {
	for i := 0; ; i++ {
		if released() {
			return i & 1 & 0
		}
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func released() bool {
	mu.Lock()
	defer mu.Unlock()
	return free
}

//go:noinline
func release() { mu.Lock(); free = true; mu.Unlock() }

//go:noinline
func keep(p *int) { kept = p }

var (
	counter int
	free    bool
	mu      sync.Mutex
	kept    *int
	numbers = []int{1, 2, 3, 4}
	words   = []string{"a", "b"}
	sq      = square{3}
	round   = &disc{2}
	shapes  = []shape{square{5}, &disc{1}}
	at      = point{3, 4}
	atp     = &at
	adder   = func(k int) func(int) int { return func(n int) int { return n + k } }(40)
	methods = round.Name
	problem error
	any1    interface{} = 5
	two                 = makeMixed(2)
	huge                = makeBig(3)
	local1              = "text"
)

func row(expr string, v interface{}) {
	switch x := v.(type) {
	case string:
		fmt.Printf("%s\t%q\n", expr, x)
	default:
		fmt.Printf("%s\t%v\n", expr, x)
	}
}

func first(n int, _ error) int { return n }

func truth() {
	row(`add(2, 3)`, add(2, 3))
	row(`add(2, 3) + add(4, 5) * 2`, add(2, 3)+add(4, 5)*2)
	row(`add(add(1, 2), add(3, add(4, 5)))`, add(add(1, 2), add(3, add(4, 5))))
	row(`small(-5, 600, 70000, true, 'x')`, small(-5, 600, 70000, true, 'x'))
	row(`small(-5, 600, 70000, false, 'x')`, small(-5, 600, 70000, false, 'x'))
	row(`floats(1.5, 2.25, 3)`, floats(1.5, 2.25, 3))
	row(`single(9)`, single(9))
	row(`real(cplx(complex(1, 2)))`, real(cplx(complex(1, 2))))
	row(`imag(cplx(complex(1, 2)))`, imag(cplx(complex(1, 2))))
	row(`join("left", "", "right")`, join("left", "", "right"))
	row(`join(join("a", "b", "c"), local1, repeat("xy", 3))`, join(join("a", "b", "c"), local1, repeat("xy", 3)))
	row(`len(repeat("x", 5000))`, len(repeat("x", 5000)))
	row(`sum(numbers)`, sum(numbers))
	row(`sum(numbers[1:3])`, sum(numbers[1:3]))
	row(`sum(nil)`, sum(nil))
	row(`variadic("v")`, variadic("v"))
	row(`variadic("v", 5)`, variadic("v", 5))
	row(`variadic("v", 5, 6, add(1, 2))`, variadic("v", 5, 6, add(1, 2)))
	row(`variadic("v", numbers...)`, variadic("v", numbers...))
	row(`show("%v|%v|%v|%v", 1, "two", 3.5, sq)`, show("%v|%v|%v|%v", 1, "two", 3.5, sq))
	row(`many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "abc", 7.5)`, many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, "abc", 7.5))
	row(`mix(two)`, mix(two))
	row(`mix(makeMixed(3))`, mix(makeMixed(3)))
	row(`makeMixed(7).S`, makeMixed(7).S)
	row(`makeMixed(7).P.Y`, makeMixed(7).P.Y)
	row(`makeMixed(7).One[0]`, makeMixed(7).One[0])
	row(`sumBig(1, huge, 2)`, sumBig(1, huge, 2))
	row(`sumBig(1, makeBig(5), 2)`, sumBig(1, makeBig(5), 2))
	row(`makeBig(4).V[11]`, makeBig(4).V[11])
	row(`area(sq)`, area(sq))
	row(`area(round)`, area(round))
	row(`area(shapes[0])`, area(shapes[0]))
	row(`area(shapes[1])`, area(shapes[1]))
	row(`shapes[0].Area()`, shapes[0].Area())
	row(`shapes[1].Name()`, shapes[1].Name())
	row(`sq.Area()`, sq.Area())
	row(`round.Name()`, round.Name())
	row(`typeOf(5)`, typeOf(5))
	row(`typeOf("five")`, typeOf("five"))
	row(`typeOf(5.5)`, typeOf(5.5))
	row(`typeOf(numbers)`, typeOf(numbers))
	row(`typeOf(at)`, typeOf(at))
	row(`typeOf(any1)`, typeOf(any1))
	row(`typeOf(nil)`, typeOf(nil))
	row(`typeOf(fail(3))`, typeOf(fail(3)))
	row(`text(fail(9))`, text(fail(9)))
	row(`text(nil)`, text(nil))
	row(`fail(4).Error()`, fail(4).Error())
	row(`at.sum()`, at.sum())
	row(`atp.sum()`, atp.sum())
	row(`newPoint(5, 6).sum()`, newPoint(5, 6).sum())
	row(`atp.scaled(3).Y`, atp.scaled(3).Y)
	row(`at.scaled(2).X`, at.scaled(2).X)
	row(`makeMap(5)["4"]`, makeMap(5)["4"])
	row(`len(makeMap(50))`, len(makeMap(50)))
	row(`adder(2)`, adder(2))
	row(`methods()`, methods())
	row(`apply(adder, 1)`, apply(adder, 1))
	row(`apply(double, 4)`, apply(double, 4))
	row(`garbage(6).X + garbage(7).Y + newPoint(1, 2).X`, garbage(6).X+garbage(7).Y+newPoint(1, 2).X)
	row(`deep(20000)`, deep(20000))
	row(`waits()`, waits())
	row(`outer(4)`, outer(4))
	row(`strings.ToUpper("shout")`, strings.ToUpper("shout"))
	row(`strings.Repeat("ab", 2)`, strings.Repeat("ab", 2))
	row(`add(1, 1) == 2 && add(2, 2) == 5 || sum(numbers) == 10`, add(1, 1) == 2 && add(2, 2) == 5 || sum(numbers) == 10)
	row(`round.Grow(1.5)`, round.Grow(1.5))
	nothing()
	ends2 := strings.ToLower("X") + strconv.Itoa(first(pair(3)))
	q, r := named(7)
	fmt.Fprintln(os.Stderr, ends2, q, r, panics(""), problem)
}

//go:noinline
func stop(n int) int {
	own := point{n, n + 1}
	own.X += local(&own)
	return own.X + own.sum() // stop
}

//go:noinline
func local(p *point) int { return p.Y }

//go:noinline
func breaks(n int) int {
	here := n
	here += local(&point{1, n}) // breaks
	if here > 0 {
		panic("broken")
	}
	return here
}

//go:noinline
func unwinds(n int) int {
	defer func() { counter += len(fmt.Sprint(recover())) }()
	return breaks(n)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "unwind" {
		fmt.Println(unwinds(5))
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "truth" {
		truth()
		return
	}
	if len(os.Args) > 5 { // so that all of them are there
		go ends()
		keep(&counter)
		release()
		fmt.Println(spins(), panics(os.Args[1]))
		nothing()
		truth()
	}
	for i := 0; i < 4; i++ {
		go func() {
			for {
				numbers2 := make([]int, 1000)
				if sum(numbers2) != 0 {
					panic("no")
				}
				time.Sleep(time.Microsecond)
			}
		}()
	}
	var n int
	forever := len(os.Args) > 1
	if forever {
		fmt.Println("READY")
	}
	for i := 0; i < 20 || forever; i++ {
		n += stop(i)
		if forever {
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Println("sum", n, "counter", counter)
}
