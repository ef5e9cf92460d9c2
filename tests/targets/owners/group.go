//go:build go1.25

package main

import (
	"sync"
	"unsafe"
)

// groupGo: sync.WaitGroup.Go calls Done behind the function.
func groupGo() {
	var wg sync.WaitGroup
	keep = append(keep, &wg)
	wg.Go(func() { announce(); work() })
	g := <-ids
	spawn(func() { announce(); wg.Wait() })
	expect("group-go", "group", unsafe.Pointer(&wg), g)
}

func init() { more = append(more, groupGo) }
