//go:build go1.19

package main

import "sync/atomic"

type count = atomic.Int64

var byPointer atomic.Pointer[point]

func byType() any {
	byPointer.Store(&global)
	return &byPointer
}
