package main

import (
	"fmt"
	"strconv"
)

// A heap of a million objects takes a while to look at, wherever we are stopped meanwhile.
type item struct {
	number      int
	text        string
	next, other *item
}

var items map[int]*item

// fill makes the heap; the job "heap" then walks it, and exchanges its texts for new ones.
func fill(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	made := make(map[int]*item, n)
	var last *item
	for i := 0; i < n; i++ {
		last = &item{number: i, text: strconv.Itoa(i), next: last, other: made[i/2]}
		made[i] = last
	}
	items = made
	return "", err
}

func churn() func() error {
	at := 0
	return func() error {
		for i := 0; i < 1000 && len(items) > 0; i++ {
			at = (at*7 + 1) % len(items)
			x := items[at]
			if x == nil || x.number != at || x.text != strconv.Itoa(at) || (at > 1 && x.other.number != at/2) {
				return fmt.Errorf("item %d is %v", at, x)
			}
			x.text = strconv.Itoa(at)
			x.other = items[at/2]
		}
		return nil
	}
}
