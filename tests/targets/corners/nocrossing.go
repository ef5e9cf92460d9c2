//go:build !cgo

package main

func crossing() {}
func inC()      {}
