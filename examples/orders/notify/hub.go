// Package notify tells subscribers about orders.
package notify

import (
	"context"
	"time"
)

// Event is what subscribers get.
type Event struct {
	Order int64
	What  string
}

// Hub delivers events.
type Hub struct {
	leak bool
}

// New makes a hub; leak plants the fault described at Deliver.
func New(leak bool) *Hub {
	return &Hub{leak: leak}
}

// Deliver hands an event to the subscriber and waits for the receipt, but not for long.
//
// PLANTED FAULT (leak): the receipt travels over a channel without room.  When the subscriber is slower
// than the deadline, Deliver has gone and nobody will ever receive: the goroutine that sends stays
// for ever, with everything it refers to.  The cure is room for one: make(chan error, 1).
func (h *Hub) Deliver(ctx context.Context, event Event, subscriber func(Event) error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	room := 1
	if h.leak {
		room = 0
	}
	receipt := make(chan error, room)
	go h.publish(event, subscriber, receipt)
	select {
	case err := <-receipt:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Hub) publish(event Event, subscriber func(Event) error, receipt chan<- error) {
	receipt <- subscriber(event)
}
