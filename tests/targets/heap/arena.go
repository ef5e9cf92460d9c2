//go:build goexperiment.arenas

package main

import (
	"arena"
	"unsafe"
)

// makeArena makes objects of package arena: a chunk of it is one object.
func makeArena(list *node) {
	a := arena.NewArena()
	n := arena.New[node](a)
	n.next = list
	s := arena.MakeSlice[*node](a, 1000, 1000)
	for i := range s {
		s[i] = n
	}
	var refs []uintptr
	chunk := uintptr(unsafe.Pointer(n))
	if q := uintptr(unsafe.Pointer(&s[0])); q < chunk {
		chunk = q
	}
	for i := range s {
		refs = append(refs, uintptr(unsafe.Pointer(&s[i]))-chunk, uintptr(unsafe.Pointer(n)))
	}
	refs = append(refs, uintptr(unsafe.Pointer(&n.next))-chunk, uintptr(unsafe.Pointer(list)))
	add("arena", a, unsafe.Pointer(chunk), 0, refs...)
	keep = append(keep, n, s)
}
