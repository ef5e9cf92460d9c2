// Package asm is code without the compiler's help: frames as the assembler makes them.
package asm

func SpinLeaf(n uint64) uint64
func SpinFrame(n uint64) uint64
func SpinPushed(n uint64) uint64
func SpinUntil(word *int32)
