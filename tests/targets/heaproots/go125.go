//go:build go1.25

package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func init() { newer = append(newer, bubbles) }

// A bubble: a goroutine in it waits for something outside, so that its clock does not go on.
func bubble(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		l := newLeaf("bubble_timer")
		time.AfterFunc(time.Hour, func() { useLeaf(l) })
		inside := make(chan *leaf)
		go func() {
			kept := newLeaf("bubble_waiter")
			inside <- newLeaf("bubble_sent")
			useLeaf(kept)
		}()
		synctest.Wait()
		kept := newLeaf("bubble_local")
		park()
		useLeaf(kept)
	})
}

func bubbles() {
	start(func() {
		all := func(_, _ string) (bool, error) { return true, nil }
		testing.Main(all, []testing.InternalTest{{Name: "bubble", F: bubble}}, nil, nil)
	})
}
