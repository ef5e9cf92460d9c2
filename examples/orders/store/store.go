// Package store keeps orders in memory.
package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Order is what a customer bought.
type Order struct {
	ID       int64     `json:"id"`
	Customer string    `json:"customer"`
	Items    []Item    `json:"items"`
	Cents    int64     `json:"cents"`
	Taken    time.Time `json:"taken"`
}

// Item is one line of an order.
type Item struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// Store holds orders, and a rendered receipt of each for quick answers.
type Store struct {
	mu       sync.RWMutex
	orders   map[int64]*Order
	receipts map[int64][]byte
	last     int64
	keep     int
}

// New makes a store that keeps the newest `keep` orders.
//
// PLANTED FAULT (growth): with keep = 0 nothing is ever dropped, so memory grows with every order.
func New(keep int) *Store {
	return &Store{orders: map[int64]*Order{}, receipts: map[int64][]byte{}, keep: keep}
}

// Add stores an order and gives it its number.
func (s *Store) Add(o *Order) int64 {
	o.ID = atomic.AddInt64(&s.last, 1)
	o.Taken = time.Now()
	receipt := render(o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[o.ID] = o
	s.receipts[o.ID] = receipt
	if old := o.ID - int64(s.keep); s.keep > 0 && old > 0 {
		delete(s.orders, old)
		delete(s.receipts, old)
	}
	return o.ID
}

// Get finds an order, nil when there is none of that number.
func (s *Store) Get(id int64) *Order {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.orders[id]
}

// Len says how many orders are held.
func (s *Store) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.orders)
}

func render(o *Order) []byte {
	text := fmt.Sprintf("order %d of %s\n", o.ID, o.Customer)
	for _, item := range o.Items {
		text += fmt.Sprintf("%4d x %s\n", item.Count, item.Name)
	}
	return append(make([]byte, 0, 2048), text...)
}
