//go:build cgo

package main

import "C"

//export goCallback
func goCallback(a C.int) C.int {
	b := a + 1 // callback:1
	sink += int(b)
	return b * 2 // callback:return
}
