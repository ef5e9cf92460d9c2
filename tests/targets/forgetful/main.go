// forgetful: a service that forgets memory in the ways that services do.  The argument says which; each
// fault is one function below, as it would stand in a service, and the comment there names it.
//
//	serve N    N requests by four workers; afterwards every one is done
//	gc         two collections, so that the memory profile has what was allocated until now
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"targets/lib"
)

const workers = 4

// Request is what a customer sent.
type Request struct {
	ID   int64
	Name string
	Body []byte
}

//go:noinline
func read(id int64, size int) *Request {
	r := &Request{ID: id, Name: fmt.Sprintf("request-%09d", id), Body: make([]byte, size)}
	for i := range r.Body {
		r.Body[i] = byte('a' + id%26)
	}
	return r
}

// ---- cache: an entry for every request, and nobody takes one out ----

type Result struct {
	Text  []byte
	Taken time.Time
}

type ResultCache struct {
	mu        sync.Mutex
	byRequest map[string]*Result
}

var results = &ResultCache{byRequest: map[string]*Result{}}

//go:noinline
func (c *ResultCache) get(r *Request) *Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.byRequest[r.Name]
	if found == nil {
		found = &Result{Text: append([]byte(nil), r.Body...), Taken: time.Now()}
		c.byRequest[r.Name] = found
	}
	return found
}

func cache(id int64) { results.get(read(id, 4096)) }

// ---- concurrent: the same in a sync.Map ----

var seenRequests sync.Map

//go:noinline
func remember(r *Request) { seenRequests.LoadOrStore(r.Name, r) }

func concurrent(id int64) { remember(read(id, 4096)) }

// ---- history: a list that only ever gets longer ----

type Event struct {
	Before *Event
	Of     *Request
}

type History struct {
	mu   sync.Mutex
	last *Event
}

var history History

//go:noinline
func (h *History) add(r *Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = &Event{h.last, r}
}

func chain(id int64) { history.add(read(id, 4096)) }

// ---- token: eight bytes of a string of four thousand keep all of it ----

type Sessions struct {
	mu     sync.Mutex
	tokens []string
}

var sessions Sessions

//go:noinline
func (s *Sessions) open(r *Request) {
	text := string(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = append(s.tokens, text[:8])
}

func token(id int64) { sessions.open(read(id, 4096)) }

// ---- subscribers: who subscribed is never taken off the list ----

type Hub struct {
	mu   sync.Mutex
	subs []func(event string)
}

var hub = new(Hub)

//go:noinline
func (h *Hub) subscribe(f func(string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs = append(h.subs, f)
}

//go:noinline
func watchOrders(r *Request) {
	hub.subscribe(func(event string) { r.Name += event })
}

func subscribers(id int64) { watchOrders(read(id, 4096)) }

// ---- context: cancel is not called, so the parent keeps every child ----

type key struct{}

type Service struct {
	base context.Context
	stop context.CancelFunc
}

var service = newService()

func newService() *Service {
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{ctx, cancel}
}

//go:noinline
func (s *Service) handle(r *Request) error {
	ctx, cancel := context.WithCancel(context.WithValue(s.base, key{}, r))
	if r.ID < 0 {
		cancel()
	}
	return ctx.Err()
}

func contexts(id int64) { _ = service.handle(read(id, 4096)) }

// ---- timer: a deadline that nobody stops ----

//go:noinline
func deadline(r *Request) {
	time.AfterFunc(time.Hour, func() { r.Body = nil })
}

func timer(id int64) { deadline(read(id, 4096)) }

// ---- after: time.After in a select; until Go 1.22 (or as go.mod says) the timer stays for its hour ----

//go:noinline
func waitAnswer(r *Request) {
	answer := make(chan *Request, 1)
	answer <- r
	select {
	case <-answer:
	case <-time.After(time.Hour):
	}
}

func after(id int64) {
	for i := int64(0); i < 20; i++ {
		waitAnswer(&Request{ID: id})
	}
}

// ---- index: a map keeps the room for all that ever was in it ----

type Index struct {
	mu   sync.Mutex
	open map[int64][12]int64
}

var index = &Index{open: map[int64][12]int64{}}

func (x *Index) begin(id int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := int64(0); i < 20; i++ {
		x.open[id*20+i] = [12]int64{id}
	}
}

func (x *Index) endAll() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id := range x.open {
		delete(x.open, id)
	}
}

// ---- pump: a goroutine that waits for ever keeps what is on its stack ----

//go:noinline
func pump(r *Request, in <-chan byte) int {
	sum := 0
	for b := range in { // nobody sends, and nobody closes it
		sum += int(b) + len(r.Body)
	}
	return sum + len(r.Name)
}

func goroutine(id int64) { go pump(read(id, 4096), make(chan byte)) }

// ---- finalizer: two that refer to each other, one with a finalizer, are never freed ----

type Handle struct {
	Owner *Owner
	fd    int
}

type Owner struct {
	Handle *Handle
	Buffer [4000]byte
}

//go:noinline
func openHandle(id int64) {
	h := &Handle{fd: int(id)}
	h.Owner = &Owner{Handle: h}
	runtime.SetFinalizer(h, func(h *Handle) { h.fd = -1 })
}

// ----

var faults = map[string]struct{ one, done func(int64) }{
	"cache": {one: cache}, "concurrent": {one: concurrent}, "history": {one: chain}, "token": {one: token}, "subscribers": {one: subscribers}, "context": {one: contexts},
	"timer": {one: timer}, "after": {one: after}, "goroutine": {one: goroutine}, "finalizer": {one: openHandle},
	"index": {one: index.begin, done: func(int64) { index.endAll() }},
	"none":  {one: func(id int64) { _ = read(id, 4096) }},
}

var served int64

func serve(fault func(int64), n int64) {
	var all sync.WaitGroup
	for w := int64(0); w < workers; w++ {
		all.Add(1)
		go func(first int64) {
			defer all.Done()
			for i := first; i < n; i += workers {
				fault(served + i)
			}
		}(w)
	}
	all.Wait()
	lib.Settle(nil) // who was started has come to where it waits
	served += n
}

func main() {
	fault, ok := faults[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no such fault")
		os.Exit(2)
	}
	runtime.MemProfile(nil, true) // without a call the linker switches the profile off
	lib.Ready()
	lib.Commands(map[string]lib.Handler{
		"serve": func(args []string) (string, error) {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err == nil {
				serve(fault.one, n)
			}
			if err == nil && fault.done != nil {
				fault.done(n)
			}
			return fmt.Sprintf("served=%d", served), err
		},
		"gc": func([]string) (string, error) {
			runtime.GC()
			runtime.GC()
			return "", nil
		},
	})
}
