// Package ledger books what orders are worth.
package ledger

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Ledger is the shop's account.
type Ledger struct {
	pending int64 // booked, not yet confirmed by the bank; atomic
	mu      sync.Mutex
	cents   int64      // confirmed; under mu
	confirm chan int64 // the bank's answers
	lock    bool
}

// New makes an empty ledger; lock plants the fault described at settle.
func New(lock bool) *Ledger {
	return &Ledger{confirm: make(chan int64), lock: lock}
}

// Book adds an order that the bank has not confirmed yet.
func (l *Ledger) Book(cents int64) {
	atomic.AddInt64(&l.pending, cents)
}

// Balance says what is confirmed and what is pending.
func (l *Ledger) Balance() (cents, pending int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cents, atomic.LoadInt64(&l.pending)
}

// Run settles with the bank twice a second until ctx ends.  The bank hangs up after `patience` when the
// fault is planted, and never otherwise.
func (l *Ledger) Run(ctx context.Context, patience time.Duration) {
	hangUp := make(chan struct{})
	if l.lock {
		time.AfterFunc(patience, func() { close(hangUp) })
	}
	go l.bank(ctx, hangUp)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.settle(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// settle waits for the bank's answer and books it.
//
// PLANTED FAULT (lock): it waits while it holds the lock.  Once the bank has hung up the answer never
// comes, and everybody who asks for the balance queues up behind the lock.  The cure is to
// wait first and lock then, and to give up when ctx ends.
func (l *Ledger) settle(ctx context.Context) {
	if !l.lock {
		select {
		case part := <-l.confirm:
			l.mu.Lock()
			l.apply(part)
			l.mu.Unlock()
		case <-ctx.Done():
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apply(<-l.confirm)
}

// apply books a part (in thousandths) of what is pending; the caller holds the lock.
func (l *Ledger) apply(part int64) {
	sum := atomic.LoadInt64(&l.pending) * part / 1000
	atomic.AddInt64(&l.pending, -sum)
	l.cents += sum
}

// bank confirms whatever it is asked for, until it hangs up.
func (l *Ledger) bank(ctx context.Context, hangUp <-chan struct{}) {
	for {
		select {
		case l.confirm <- 900:
		case <-hangUp:
			return
		case <-ctx.Done():
			return
		}
	}
}
