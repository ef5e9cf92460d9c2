//go:build go1.19

package main

import "sync/atomic"

type count = atomic.Int64
