// Package vec holds pointers where nothing but a vector register has them.
package vec

import "unsafe"

// Hold keeps p in a vector register alone, as code that moves memory does for a moment, until *until is
// not zero, and returns it.
func Hold(p unsafe.Pointer, until *uint32) unsafe.Pointer
