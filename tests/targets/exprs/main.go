// exprs: one goroutine that waits with variables of every kind in scope, and a table of expressions
// over them with what Go itself makes of each (command "table", JSON): the text and the code stand in
// one line, so that the compiler is the judge.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"targets/lib"
)

type row struct{ Expr, Type, Value string }

var table []row

// want notes what an expression is worth.
func want(expr string, v any) {
	table = append(table, row{expr, fmt.Sprintf("%T", v), text(v)})
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32)
	case complex128:
		return fmt.Sprintf("(%s + %si)", text(real(v)), text(imag(v)))
	default:
		return fmt.Sprint(v)
	}
}

type color int

const (
	red color = iota
	green
	blue
)

const answer = 42

type point struct{ X, Y int }

func (p point) Sum() int { return p.X + p.Y }

type inner struct {
	Deep  string
	Count uint16
}

type middle struct {
	*inner
	Name string
}

type outer struct {
	middle
	point
	list []*point
	by   map[string]*point
	any  any
	err  error
	next *outer
	fn   func(int) int
	ch   chan point
	arr  [3]float32
	z    complex128
	c    color
}

type pair[K comparable, V any] struct {
	Key K
	Val V
}

type failure struct{ Code int }

func (f *failure) Error() string { return "failure " + strconv.Itoa(f.Code) }

type key struct {
	A string
	B int
}

var (
	global   = point{10, 20}
	Table    = map[key]string{{"x", 1}: "one", {"y", 2}: "two"}
	text_    = "grüße, \"wörld\"\n"
	forever  = make(chan int)
	parked   = make(chan bool)
	counters = map[int]int{}
)

// pretty has values that the debugger shows by what they mean.
type pretty struct {
	when    time.Time
	took    time.Duration
	huge    *big.Int
	third   *big.Rat
	mu      sync.Mutex
	rw      sync.RWMutex
	wg      sync.WaitGroup
	n       count
	ip      net.IP
	addr    *net.TCPAddr
	url     *url.URL
	ctx     context.Context
	err     error
	builder strings.Builder
	buf     bytes.Buffer
	once    sync.Once
}

// meant: what the debugger makes of each must be what fmt makes of it.
type meant struct {
	Addr4, Addr6, Mapped, Zoned, NoAddr netip.Addr
	Port4, Port6, NoPort                netip.AddrPort
	Prefix4, Prefix6, NoPrefix          netip.Prefix
	Dial, Path, Sys, Num, URL, DNS      error
	Late, Closed, Timeout, Odd          error
	Zone                                *time.Location
	Atomic                              atomic.Value
	Int, Text, Struct, None             reflect.Value
	Errno                               syscall.Errno
}

func (m *meant) fill() {
	m.Addr4, m.Addr6, m.Mapped = netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:1.2.3.4")
	m.Zoned = netip.MustParseAddr("fe80::1%eth0")
	m.Port4, m.Port6 = netip.AddrPortFrom(m.Addr4, 80), netip.AddrPortFrom(m.Zoned, 443)
	m.Prefix4, m.Prefix6 = netip.PrefixFrom(m.Addr4, 8), netip.PrefixFrom(m.Addr6, 64)
	m.Errno = syscall.ECONNREFUSED
	m.Sys = os.NewSyscallError("connect", m.Errno)
	m.Dial = &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, Err: m.Sys}
	m.Odd = &net.OpError{Op: "read", Net: "udp", Source: &net.UDPAddr{IP: net.IPv6loopback, Port: 5},
		Addr: &net.UnixAddr{Name: "/run/x", Net: "unix"}, Err: syscall.Errno(4711)}
	_, m.Path = os.Open("/nonexistent/file")
	_, m.Num = strconv.Atoi("12x")
	m.URL = &url.Error{Op: "Get", URL: "http://example.com/", Err: m.Dial}
	m.DNS = &net.DNSError{Name: "example.com", Err: "no such host"}
	m.Late, m.Closed, m.Timeout = context.DeadlineExceeded, net.ErrClosed, os.ErrDeadlineExceeded
	m.Zone = time.FixedZone("XYZ", 3600)
	m.Atomic.Store(42)
	m.Int, m.Text, m.Struct = reflect.ValueOf(5), reflect.ValueOf("five"), reflect.ValueOf(&global).Elem()
}

// texts says what fmt makes of its fields.
func (m *meant) texts() (string, error) {
	all := map[string]string{}
	v := reflect.ValueOf(m).Elem()
	for i := 0; i < v.NumField(); i++ {
		all[v.Type().Field(i).Name] = fmt.Sprint(v.Field(i).Addr().Elem().Interface())
	}
	out, err := json.Marshal(all)
	return string(out), err
}

var meaning meant

//go:noinline
func use(...any) {}

//go:noinline
func scope(n int, s string, f float64) {
	i8, i16, u8, u32, u64 := int8(-7), int16(300), uint8(200), uint32(4000000000), uint64(math.MaxUint64)
	b, r, c64 := true, 'ß', complex(float32(1), 2)
	in := &inner{"deep", 9}
	o := outer{middle: middle{in, "mid"}, point: point{1, 2}, list: []*point{{3, 4}, nil, {5, 6}},
		by: map[string]*point{"a": {7, 8}}, any: point{9, 9}, err: &failure{3},
		fn: func(i int) int { return i + n }, ch: make(chan point, 4), arr: [3]float32{1.5, 2.5, 3.5},
		z: complex(1, -2), c: blue}
	o.next = &o
	o.ch <- point{1, 1}
	words := []string{"zero", "one", "two", "three"}
	grid := [2][3]int{{1, 2, 3}, {4, 5, 6}}
	m := map[string]int{"one": 1, "two": 2}
	mi := map[int]string{}
	for i := 0; i < 1000; i++ {
		mi[i] = strconv.Itoa(i)
		counters[i] = -i
	}
	mc := map[color]bool{green: true}
	big := map[[4]int]point{{1, 2, 3, 4}: {1, 2}}
	any1, any2, anyNil := any(5), any("text"), any(nil)
	var err error = errors.New("bad")
	var nilErr error
	var nilPtr *point
	var nilMap map[string]int
	var nilSlice []int
	pr := pair[string, int]{"k", 5}
	bytes_ := []byte("bytes")
	runes := []rune("rünes")
	pp := &in
	up := unsafe.Pointer(&o)
	{
		n := "shadow"
		use(n)
	}
	pt := &pretty{when: time.Date(2024, 2, 29, 12, 30, 0, 5000, time.UTC), took: 90 * time.Second,
		ip: net.IPv4(10, 1, 2, 3), addr: &net.TCPAddr{IP: net.IPv6loopback, Port: 80},
		ctx: context.WithValue(context.Background(), key{"k", 1}, "v"),
		err: fmt.Errorf("outer: %w", err)}
	pt.n.Store(77)
	pt.mu.Lock()
	pt.builder.WriteString("built")
	pt.buf.WriteString("buffered")
	pt.buf.Next(3)
	pt.url, _ = url.Parse("https://user@example.com:8443/a/b?q=1#frag")
	setBig(pt)

	// names, selectors, pointers
	want("n", n)
	want("s", s)
	want("f", f)
	want("i8", i8)
	want("i16", i16)
	want("u8", u8)
	want("u32", u32)
	want("u64", u64)
	want("b", b)
	want("r", r)
	want("o.X", o.X)
	want("o.point.Y", o.point.Y)
	want("o.Deep", o.Deep)
	want("o.middle.inner.Count", o.middle.inner.Count)
	want("o.Count + 1", o.Count+1)
	want("o.next.next.Name", o.next.next.Name)
	want("o.list[2].X", o.list[2].X)
	want("(*o.list[0]).Y", (*o.list[0]).Y)
	want("(*o.next).list[0].X", (*o.next).list[0].X)
	want("(*pp).Deep", (*pp).Deep)
	want("(**pp).Count", (**pp).Count)
	want("(*(*outer)(up)).Name", (*(*outer)(up)).Name)
	want("(&o).Name", (&o).Name)
	want("global.X", global.X)
	want("answer", answer)
	want("pr.Key", pr.Key)
	want("pr.Val * 2", pr.Val*2)
	// index, slices, len, cap
	want("words[1]", words[1])
	want("words[len(words)-1]", words[len(words)-1])
	want("words[1:3][1]", words[1:3][1])
	want("len(words[1:3])", len(words[1:3]))
	want("cap(words[1:3])", cap(words[1:3]))
	want("cap(words[1:3:3])", cap(words[1:3:3]))
	want("words[2][1]", words[2][1])
	want("words[3][1:3]", words[3][1:3])
	want("s[:2]", s[:2])
	want("grid[1][2]", grid[1][2])
	want("grid[1][1:][1]", grid[1][1:][1])
	want("len(grid)", len(grid))
	want("len(s)", len(s))
	want("len(text_)", len(text_))
	want("text_", text_)
	want("len(m)", len(m))
	want("len(o.ch)", len(o.ch))
	want("cap(o.ch)", cap(o.ch))
	want("len(nilMap)", len(nilMap))
	want("len(nilSlice)", len(nilSlice))
	want("m[\"two\"]", m["two"])
	want("mi[777]", mi[777])
	want("mi[n+1]", mi[n+1])
	want("counters[999]", counters[999])
	want("mc[green]", mc[green])
	want("o.by[\"a\"].Y", o.by["a"].Y)
	want("len(mi)", len(mi))
	want("bytes_[0]", bytes_[0])
	want("runes[1]", runes[1])
	want("o.arr[1]", o.arr[1])
	// operators
	want("n+3", n+3)
	want("n-3*2", n-3*2)
	want("(n-3)*2", (n-3)*2)
	want("n/2", n/2)
	want("-n/2", -n/2)
	want("-n%4", -n%4)
	want("n<<3", n<<3)
	want("-n>>1", -n>>1)
	want("n&6|1", n&6|1)
	want("n^5", n^5)
	want("n&^1", n&^1)
	want("^n", ^n)
	want("-i8", -i8)
	want("i8*i8*i8*i8", i8*i8*i8*i8)
	want("u8+100", u8+100)
	want("u8<<1", u8<<1)
	want("u8>>3", u8>>3)
	want("^u8", ^u8)
	want("u32*2", u32*2)
	want("u64+1", u64+1)
	want("u64/3", u64/3)
	want("u64 > 1<<63", u64 > 1<<63)
	want("i16/7", i16/7)
	want("i16%7", i16%7)
	want("f*2", f*2)
	want("f/3", f/3)
	want("f > 1.5", f > 1.5)
	want("o.z*o.z", o.z*o.z)
	want("real(o.z)", real(o.z))
	want("imag(o.z)", imag(o.z))
	want("real(c64) == 1", real(c64) == 1)
	want("b && n > 3", b && n > 3)
	want("!b || n < 3", !b || n < 3)
	want("n == 7 && s == \"hello\"", n == 7 && s == "hello")
	want("s + \" there\"", s+" there")
	want("s < \"help\"", s < "help")
	want("s >= \"hello\"", s >= "hello")
	want("s != \"x\"", s != "x")
	want("o.c == blue", o.c == blue)
	want("o.c > 1", o.c > 1)
	want("o.point == global", o.point == global)
	want("o.point == o.next.point", o.point == o.next.point)
	want("grid[0] == grid[1]", grid[0] == grid[1])
	want("o.next == &o", o.next == &o)
	want("nilPtr == nil", nilPtr == nil)
	want("nil != o.next", nil != o.next)
	want("nilErr == nil", nilErr == nil)
	want("err != nil", err != nil)
	want("nilSlice == nil", nilSlice == nil)
	want("nilMap == nil", nilMap == nil)
	want("o.fn == nil", o.fn == nil)
	want("anyNil == nil", anyNil == nil)
	want("any1 == 5", any1 == 5)
	want("any2 == \"text\"", any2 == "text")
	want("any1 == any2", any1 == any2)
	want("o.any == o.any", o.any == o.any)
	// constants
	want("1 << 62", 1<<62)
	want("1<<100>>98", 1<<100>>98)
	want("0x_ff + 0b101 + 0o17 + 017", 0x_ff+0b101+0o17+017)
	want("'a' + 1", 'a'+1)
	want("'\\u00e9'", '\u00e9')
	want("\"a\\tb\\x41\\u00e9\"", "a\tb\x41\u00e9")
	want("`raw\\n`", `raw\n`)
	want("0.1 + 0.2 == 0.3", 0.1+0.2 == 0.3)
	want("0x1p-2", 0x1p-2)
	want("1e3", 1e3)
	want("7 / 2", 7/2)
	want("7 / 2.0", 7/2.0)
	want("1i * 1i == -1", 1i*1i == -1)
	want("true && !false", true && !false)
	want("5 % 3 == 2", 5%3 == 2)
	// conversions
	want("float64(n) / 2", float64(n)/2)
	want("int(f)", int(f))
	want("int(-f)", int(-f))
	want("uint8(n)", uint8(n))
	want("int8(u8)", int8(u8))
	want("uint32(i8)", uint32(i8))
	want("int64(i8)", int64(i8))
	want("float32(f)", float32(f))
	want("color(1) == green", color(1) == green)
	want("string(bytes_)", string(bytes_))
	want("string(runes)", string(runes))
	want("string(r)", string(r))
	want("len([]byte(s))", len([]byte(s)))
	want("[]byte(s)[1]", []byte(s)[1])
	want("point(global).X", point(global).X)
	want("uintptr(up) == uintptr(unsafe.Pointer(&o))", uintptr(up) == uintptr(unsafe.Pointer(&o)))
	want("*(*int)(unsafe.Pointer(&o.point.Y))", *(*int)(unsafe.Pointer(&o.point.Y)))
	// interfaces
	want("any1.(int)", any1.(int))
	want("any1.(int) + n", any1.(int)+n)
	want("any2.(string)[1:]", any2.(string)[1:])
	want("o.any.(point).X", o.any.(point).X)
	want("o.err.(*failure).Code", o.err.(*failure).Code)
	use(big, pt, pr, c64, up, pp, nilErr, mc)
	parked <- true
	<-forever
	use(n, s, f, i8, i16, u8, u32, u64, b, r, c64, in, o, words, grid, m, mi, mc, big, any1, any2, anyNil,
		err, nilErr, nilPtr, nilMap, nilSlice, pr, bytes_, runes, pp, up, pt)
}

func setBig(p *pretty) {
	p.huge, _ = new(big.Int).SetString("-123456789012345678901234567890", 10)
	p.third = big.NewRat(1, 3)
}

// opened has deferred calls that an optimising compiler writes into the function, deferredLoop those
// that it cannot.
//
//go:noinline
func opened(n int) {
	defer use("first", n)
	defer use("second", n)
	deferredLoop(n)
	use(n)
}

//go:noinline
func deferredLoop(n int) {
	for i := 0; i < n; i++ {
		defer use(i)
	}
	parked <- true
	<-forever
}

// unnamed has returned, but for its deferred call.
//
//go:noinline
func unnamed(n int) (int, string, *point) {
	defer hold()
	use(n)
	return n * 6, "ret", &point{n, 5}
}

//go:noinline
func generic[T any](v T) {
	hold()
	use(v)
}

//go:noinline
func hold() {
	parked <- true
	<-forever
}

func main() {
	go scope(7, "hello", 2.5)
	<-parked
	go opened(3)
	<-parked
	go unnamed(7)
	<-parked
	go generic(point{3, 4})
	<-parked
	use(os.Args, red, byType())
	meaning.fill()
	lib.Settle(nil)
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"table": func([]string) (string, error) {
			out, err := json.Marshal(table)
			return string(out), err
		},
		"meanings": func([]string) (string, error) { return meaning.texts() },
	})
}
