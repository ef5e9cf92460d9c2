//go:build !cgo

package main

func beginC() {}
