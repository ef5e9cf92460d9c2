//go:build go1.21

package main

import "runtime"

func init() { newer = append(newer, pins) }

var globalPinner runtime.Pinner

func pins() {
	l := pinned()
	for i := 0; i < 3; i++ { // several pins of one object make a record
		globalPinner.Pin(l)
	}
}

//go:noinline
func pinned() *leaf { return newLeaf("pinned") }
