// A net/http server one of whose handlers forgets to unlock on its way out with an error. Says which lock nobody will release
// and which one somebody still holds. Go 1.18 and later.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"targets/lib"
)

type account struct {
	mu      sync.Mutex
	balance int
}

type store struct {
	mu       sync.Mutex
	accounts map[string]*account
}

// audit is a package-level lock that another handler loses.
var audit sync.Mutex
var audited int

// kept is held by a handler that a closed gate keeps: nobody may say that it was left.
var kept sync.Mutex
var gate = make(chan bool)

// arrived counts the requests that have come to a handler that locks.
var arrived int32

// settle waits until n of them are where they will stay.
func settle(n int32) { lib.Settle(func() bool { return atomic.LoadInt32(&arrived) == n }) }

func (s *store) find(name string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[name]
}

// withdraw does not unlock when there is not enough.
func (s *store) withdraw(name string, n int) error {
	a := s.find(name)
	a.mu.Lock()
	if a.balance < n {
		return fmt.Errorf("only %d left", a.balance)
	}
	a.balance -= n
	a.mu.Unlock()
	return nil
}

func (s *store) balance(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt32(&arrived, 1)
	a := s.find(r.URL.Query().Get("name"))
	a.mu.Lock()
	defer a.mu.Unlock()
	fmt.Fprintln(w, a.balance)
}

func (s *store) take(w http.ResponseWriter, r *http.Request) {
	if err := s.withdraw(r.URL.Query().Get("name"), 1000); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

func note(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt32(&arrived, 1)
	audit.Lock()
	if audited++; audited == 1 {
		return
	}
	audit.Unlock()
}

func keep(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt32(&arrived, 1)
	kept.Lock()
	<-gate
	kept.Unlock()
}

func get(url string) {
	r, err := http.Get(url)
	if err == nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

func main() {
	s := &store{accounts: map[string]*account{"ada": {balance: 10}, "bob": {balance: 20}}}
	http.HandleFunc("/balance", s.balance)
	http.HandleFunc("/take", s.take)
	http.HandleFunc("/note", note)
	http.HandleFunc("/keep", keep)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	base := "http://" + l.Addr().String()
	go func() {
		get(base + "/balance?name=bob")
		get(base + "/take?name=ada")
		get(base + "/note")
		go get(base + "/keep")
		settle(3)
		for i := 0; i < 3; i++ {
			go get(base + "/balance?name=ada")
			go get(base + "/note")
		}
		for i := 0; i < 2; i++ {
			go get(base + "/keep")
		}
		settle(11)
		fmt.Printf("LOST account %p\nLOST audit %p\nKEPT kept %p\n", &s.accounts["ada"].mu, &audit, &kept)
		lib.Ready()
	}()
	if err := http.Serve(l, nil); err != nil {
		panic(err)
	}
}
