// shop: a heap whose contents the program itself counts: what it keeps, under which variable, what a
// goroutine alone keeps, and what is garbage.  Commands change it by numbers that a test knows.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"unsafe"

	"targets/lib"
)

type Address struct {
	Street string
	Zip    int64
}

type User struct {
	Name    string
	Home    *Address
	Friends []*User
	Attrs   map[string]interface{}
	ID      int64
}

type Event struct {
	Next *Event
	Note [40]byte
	By   *User
}

type Garbage struct {
	Self *Garbage
	Pad  [100]byte
}

type Held struct {
	Buffer []byte
	Pad    [7]uint64
}

type Store struct {
	Users map[string]*User
	List  []*User
	Log   *Event
	Cache map[int64][]byte
}

var store = &Store{Users: map[string]*User{}, Cache: map[int64][]byte{}}

const users = 2000

//go:noinline
func newUser(i int) *User {
	name := fmt.Sprintf("user-%06d", i)
	u := &User{Name: name, Home: &Address{"Main Street " + name, int64(i)}, ID: int64(i)}
	if i%10 == 0 {
		u.Attrs = map[string]interface{}{"age": i, "home": u.Home}
	}
	return u
}

func fill() {
	for i := 0; i < users; i++ {
		u := newUser(i)
		if i > 0 {
			u.Friends = append(u.Friends, store.List[i-1])
		}
		store.Users[u.Name] = u
		store.List = append(store.List, u)
	}
}

//go:noinline
func holder(ready chan<- bool, end <-chan bool) {
	escapes := make(chan *Held, 1)
	escapes <- &Held{Buffer: make([]byte, 300000)}
	h := <-escapes
	ready <- true
	<-end
	runtime.KeepAlive(h)
}

//go:noinline
func grow(n int) {
	for i := 0; i < n; i++ {
		store.Log = &Event{Next: store.Log, By: store.List[i%users]}
	}
}

//go:noinline
func drop(n int) {
	for i := 0; i < n; i++ {
		store.Log = store.Log.Next
	}
}

//go:noinline
func garbage(n int) {
	for i := 0; i < n; i++ {
		g := new(Garbage)
		g.Self = g
	}
}

//go:noinline
func cache(n int) {
	for i := 0; i < n; i++ {
		store.Cache[int64(len(store.Cache))] = make([]byte, 1000)
	}
}

func count(f func(int)) lib.Handler {
	return func(args []string) (string, error) {
		n, err := strconv.Atoi(args[0])
		if err == nil {
			f(n)
		}
		return "", err
	}
}

func stats([]string) (string, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("alloc=%d objects=%d gcs=%d", m.HeapAlloc, m.HeapObjects, m.NumGC), nil
}

func main() {
	debug.SetGCPercent(-1)
	fill()
	ready, end := make(chan bool), make(chan bool)
	go holder(ready, end)
	<-ready
	runtime.GC()
	runtime.GC()
	if os.Getenv("SHOP_GC") != "" {
		debug.SetGCPercent(100)
	}
	lib.Ready(fmt.Sprintf("users=%d", users), fmt.Sprintf("user=%#x", uintptr(unsafe.Pointer(store.List[77]))),
		fmt.Sprintf("home=%#x", uintptr(unsafe.Pointer(store.List[77].Home))))
	lib.Commands(map[string]lib.Handler{
		"grow": count(grow), "drop": count(drop), "garbage": count(garbage), "cache": count(cache), "stats": stats,
		"gc": func([]string) (string, error) {
			runtime.GC()
			return "", nil
		},
	})
}
