//go:build !go1.19

package main

// count stands for what sync/atomic has since 1.19.
type count struct{ v int64 }

func (c *count) Store(v int64) { c.v = v }

func byType() any { return nil }
