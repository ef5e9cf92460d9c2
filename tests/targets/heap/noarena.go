//go:build !goexperiment.arenas

package main

func makeArena(list *node) {}
