// heaptypes: a type of every kind, and what package reflect says of each, of what it consists of and
// of types that are made at run time.  It writes that to the file it is given, a line of JSON for each
// type with its address, then waits.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"targets/lib"
)

type color int

// Plain has no methods: reflect embeds nothing else behind the first field.
type Plain int
type text string
type fn func(int, ...string) (bool, error)
type empty struct{}
type shape interface {
	Area() float64
	hidden(*point) color
}

type point struct{ X, Y int32 }

func (p point) Area() float64               { return float64(p.X) * float64(p.Y) }
func (p *point) hidden(*point) color        { return 0 }
func (c color) String() string              { return "color" }
func (t *text) Write(b []byte) (int, error) { return len(b), nil }

type list[T any] struct {
	next *list[T]
	item T
}

type pair[K comparable, V any] struct {
	key   K
	value V
	more  map[K]*pair[K, V]
}

type every struct {
	b   bool
	i8  int8
	i16 int16
	i32 int32
	i64 int64
	u8  uint8
	u16 uint16
	u32 uint32
	u64 uint64
	up  uintptr
	f32 float32
	f64 float64
	c64 complex64
	c   complex128
	s   string
	p   *point
	pp  **point
	sl  []point
	ar  [3]*point
	nul [0]*point
	m   map[string][]point
	ms  map[point]struct{}
	mb  map[[40]string]*[200]byte
	ch  chan point
	rc  <-chan *point
	wc  chan<- []string
	f   fn
	g   func(io.Writer) error
	e   any
	sh  shape
	un  unsafe.Pointer
	an  struct {
		a int `json:"a,omitempty" xml:"ä\"quoted\""`
		_ [4]byte
		B string
	}
	gl list[string]
	gp *pair[color, list[point]]
	point
	*text
	io.Reader
	mu sync.Mutex
	at atomic.Value
	tm time.Time
	_  int
	em empty
}

// Pointer masks that are long: bits, programs or made on demand, by release.
type large struct {
	head [200]struct {
		a, b uintptr
		p    *point
	}
	mid  [1 << 12]*int
	tail [7]struct {
		x [33]string
		y [5]any
		z int
	}
}
type huge [1 << 10]large
type sparse struct {
	p    *int
	hole [1 << 20]byte
	q    []int
	rest [1 << 10]uint64
}
type deep [3][5]struct {
	a [2][4]struct {
		n int
		s []string
	}
	b byte
}

// self contains itself in every way that is allowed.
type self struct {
	p *self
	s []self
	m map[string]self
	c chan self
	f func(self) *self
	a [2]*self
	i interface{ get() self }
}

type field struct {
	Name     string
	Offset   uint64
	Type     string
	Embedded bool
}

type described struct {
	Addr           string
	Name, Package  string
	Kind           int
	Size, PtrBytes uint64
	Words          []uint64 // which are pointers; nil when there are too many to list
	Pointers       uint64   // how many
	Count          int
	Elem, Key      string
	Fields         []field
	Direct         bool
	Made           bool // at run time, or found only through those
}

// header is the beginning of abi.Type, the same in all releases.
type header struct {
	size, ptrBytes uintptr
	hash           uint32
	flags          [4]uint8
	equal          uintptr
	gcdata         *byte
}

func headerOf(t reflect.Type) *header {
	return (*header)((*[2]unsafe.Pointer)(unsafe.Pointer(&t))[1])
}

func addr(t reflect.Type) string { return fmt.Sprintf("%#x", uintptr(unsafe.Pointer(headerOf(t)))) }

const manyWords = 1 << 16

// pointers calls fn for each word of a value that the garbage collector looks at.
func pointers(t reflect.Type, at uint64, fn func(word uint64)) {
	if headerOf(t).ptrBytes == 0 {
		return
	}
	switch t.Kind() {
	case reflect.Array:
		for i := 0; i < t.Len(); i++ {
			pointers(t.Elem(), at+uint64(i)*uint64(t.Elem().Size()), fn)
		}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			pointers(t.Field(i).Type, at+uint64(t.Field(i).Offset), fn)
		}
	case reflect.Interface:
		fn(at/8 + 1) // the first word is a type or an itab: not on the heap, or kept by others
	default:
		fn(at / 8)
	}
}

// isDirect: an interface holds the value, not a pointer to it.  Told by putting a value into one.
func isDirect(t reflect.Type) bool {
	if t.Size() != 8 || headerOf(t).ptrBytes != 8 {
		return false
	}
	v := reflect.New(t)
	mark := unsafe.Pointer(new(int))
	*(*unsafe.Pointer)(v.UnsafePointer()) = mark
	e := v.Elem().Interface()
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&e))[1] == mark
}

func describe(t reflect.Type) described {
	h := headerOf(t)
	d := described{Addr: addr(t), Name: t.String(), Package: t.PkgPath(), Kind: int(t.Kind()),
		Size: uint64(t.Size()), PtrBytes: uint64(h.ptrBytes), Words: []uint64{}}
	pointers(t, 0, func(word uint64) {
		if d.Pointers++; d.Pointers <= manyWords {
			d.Words = append(d.Words, word)
		}
	})
	if d.Pointers > manyWords {
		d.Words = nil
	}
	switch t.Kind() {
	case reflect.Array:
		d.Count = t.Len()
		fallthrough
	case reflect.Slice, reflect.Chan, reflect.Ptr:
		d.Elem = addr(t.Elem())
	case reflect.Map:
		d.Elem, d.Key = addr(t.Elem()), addr(t.Key())
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			d.Fields = append(d.Fields, field{f.Name, uint64(f.Offset), addr(f.Type), f.Anonymous})
		}
	}
	if t.Kind() != reflect.Interface {
		d.Direct = isDirect(t)
	}
	return d
}

// parts are the types that a type consists of.
func parts(t reflect.Type) (p []reflect.Type) {
	switch t.Kind() {
	case reflect.Map:
		return []reflect.Type{t.Key(), t.Elem()}
	case reflect.Array, reflect.Slice, reflect.Chan, reflect.Ptr:
		return []reflect.Type{t.Elem()}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			p = append(p, t.Field(i).Type)
		}
	case reflect.Func:
		for i := 0; i < t.NumIn(); i++ {
			p = append(p, t.In(i))
		}
		for i := 0; i < t.NumOut(); i++ {
			p = append(p, t.Out(i))
		}
	}
	return p
}

func of(v any) reflect.Type { return reflect.TypeOf(v).Elem() }

func made() []reflect.Type {
	e, pt := of((*every)(nil)), of((*point)(nil))
	str := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.ArrayOf(77, pt), Tag: `json:"a" x:"\"ü\t"`},
		{Name: "B", Type: reflect.SliceOf(reflect.ArrayOf(3, of((*string)(nil))))},
		{Name: "Plain", Type: of((*Plain)(nil)), Anonymous: true},
		{Name: "F", Type: reflect.FuncOf([]reflect.Type{pt, reflect.SliceOf(e)}, []reflect.Type{e, pt}, true)},
	})
	one := reflect.FuncOf(nil, []reflect.Type{reflect.PtrTo(str)}, false)
	return []reflect.Type{
		str, one, reflect.PtrTo(str), reflect.SliceOf(str), reflect.StructOf(nil),
		reflect.MapOf(pt, str), reflect.MapOf(of((*string)(nil)), reflect.ArrayOf(19, pt)),
		reflect.ChanOf(reflect.BothDir, str), reflect.ChanOf(reflect.RecvDir, one),
		reflect.ChanOf(reflect.SendDir, reflect.ArrayOf(5, str)),
		reflect.ArrayOf(1000, e), reflect.ArrayOf(1, reflect.PtrTo(str)), reflect.ArrayOf(0, str),
		reflect.ArrayOf(3, reflect.ArrayOf(700, reflect.StructOf([]reflect.StructField{
			{Name: "P", Type: reflect.PtrTo(pt)}, {Name: "N", Type: reflect.ArrayOf(40, of((*int)(nil)))}}))),
		reflect.FuncOf([]reflect.Type{reflect.FuncOf(nil, nil, false)}, nil, false),
	}
}

// kept are values of the types, so that the linker keeps their descriptors and the runtime makes the
// masks that it makes on demand.
var kept = []any{new(every), new(large), new(sparse), new(deep), new(self), new(fn), new(text), new(shape),
	new(empty), new(error), new([0]byte), new(unsafe.Pointer), new([1]*int), new(struct{ p *int }),
	new(pair[string, []color]), new(list[list[int]]), new(map[any]any), new(chan chan int),
	new([]struct{ a, b []byte }), new(time.Timer), new(bufio.Reader), new(sync.Map), (*huge)(nil)}
var keptMade []reflect.Value

// filled are maps of types that are made at run time, whose parts are larger than 512 bytes: the runtime
// says beside each part which type it is of, and so do many parts before anything says it of the map.
var filled []any

const maps, entries = 12, 100

func fill() {
	pt, text := of((*point)(nil)), of((*string)(nil))
	for i := 0; i < maps; i++ {
		value := reflect.StructOf([]reflect.StructField{
			{Name: "P", Type: reflect.ArrayOf(i+1, pt)}, {Name: "S", Type: text}, {Name: "N", Type: reflect.ArrayOf(8, text)}})
		value = reflect.ArrayOf(1, reflect.PtrTo(value))
		m := reflect.MakeMap(reflect.MapOf(reflect.ArrayOf(7, text), value))
		for k := 0; k < entries; k++ {
			key, v := reflect.New(reflect.ArrayOf(7, text)).Elem(), reflect.New(value).Elem()
			key.Index(0).SetString(fmt.Sprint("key", k))
			v.Index(0).Set(reflect.New(value.Elem().Elem()))
			m.SetMapIndex(key, v)
		}
		filled = append(filled, m.Interface())
	}
}

// walk writes these types and what they consist of.
func walk(w io.Writer, seen map[reflect.Type]bool, todo []reflect.Type, made bool) {
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[t] {
			continue
		}
		seen[t] = true
		todo = append(todo, parts(t)...)
		d := describe(t)
		d.Made = made
		line, _ := json.Marshal(d)
		fmt.Fprintf(w, "%s\n", line)
	}
}

func main() {
	out, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	w := bufio.NewWriter(out)
	seen := map[reflect.Type]bool{}
	var static []reflect.Type
	for _, v := range kept {
		static = append(static, reflect.TypeOf(v))
	}
	walk(w, seen, static, false)
	dynamic := made()
	for _, t := range dynamic {
		keptMade = append(keptMade, reflect.New(t))
	}
	walk(w, seen, dynamic, true)
	w.Flush()
	out.Close()
	fill()
	lib.Ready(fmt.Sprint("types=", len(seen)))
	lib.Commands(nil)
}
