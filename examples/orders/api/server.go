// Package api is the shop's HTTP interface.
//
//	POST /orders       takes an order (JSON), answers with its number
//	GET  /orders?id=N  an order
//	GET  /report       what the ledger says
//	GET  /health       "ok"
//	POST /storm?n=N&seconds=S   starts N goroutines at once (see storm)
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"orders/ledger"
	"orders/notify"
	"orders/store"
)

const maxStorm = 1000000

// Server answers requests.
type Server struct {
	orders *store.Store
	ledger *ledger.Ledger
	hub    *notify.Hub
	mux    *http.ServeMux
}

// New makes the handler.
func New(orders *store.Store, book *ledger.Ledger, hub *notify.Hub) *Server {
	s := &Server{orders: orders, ledger: book, hub: hub, mux: http.NewServeMux()}
	s.handle("/orders", s.serveOrders)
	s.handle("/report", s.serveReport)
	s.handle("/storm", s.serveStorm)
	s.handle("/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mux.ServeHTTP(w, r)
}

// handle serves a path under pprof labels, so that profiles and goroutine lists can tell requests apart.
func (s *Server) handle(path string, f http.HandlerFunc) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		customer := r.Header.Get("Customer")
		if customer == "" {
			customer = "unknown"
		}
		labels := pprof.Labels("endpoint", path, "customer", customer)
		pprof.Do(r.Context(), labels, func(ctx context.Context) { f(w, r.WithContext(ctx)) })
	})
}

func (s *Server) serveOrders(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.serveOrder(w, r)
		return
	}
	order := &store.Order{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := s.orders.Add(order)
	s.ledger.Book(order.Cents)
	// the customer is told at once; a slow subscriber must not keep the shop waiting
	_ = s.hub.Deliver(r.Context(), notify.Event{Order: id, What: "taken"}, s.mail)
	fmt.Fprintln(w, id)
}

// mail is the subscriber: every fourth mail server takes its time.
func (s *Server) mail(event notify.Event) error {
	if event.Order%4 == 0 {
		time.Sleep(80 * time.Millisecond)
	}
	return nil
}

func (s *Server) serveOrder(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.FormValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "id must be a number", http.StatusBadRequest)
		return
	}
	order := s.orders.Get(id)
	if order == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(order)
}

func (s *Server) serveReport(w http.ResponseWriter, _ *http.Request) {
	cents, pending := s.ledger.Balance()
	fmt.Fprintf(w, "%d orders, %d.%02d confirmed, %d.%02d pending\n", s.orders.Len(), cents/100,
		cents%100, pending/100, pending%100)
}

// serveStorm starts goroutines.
//
// PLANTED FAULT (storm): one goroutine for each of n imagined recipients, all at once.  The cure is a
// fixed number of workers.
func (s *Server) serveStorm(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n < 1 || n > maxStorm || r.Method != http.MethodPost {
		http.Error(w, "POST with n from 1 to 1000000", http.StatusBadRequest)
		return
	}
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err != nil || seconds < 1 {
		seconds = 20
	}
	for i := 0; i < n; i++ {
		go s.recipient(time.Duration(seconds) * time.Second)
	}
	fmt.Fprintln(w, n)
}

// recipient stands for a customer who is sent a newsletter and is slow to take it.
func (s *Server) recipient(patience time.Duration) {
	time.Sleep(patience)
}
