// Package regs notices when somebody changes the registers of a running thread.
package regs

// Hold fills nearly all registers, counts down from n and returns how many of them have another value
// than before.  It stays in one piece of assembly: nobody else uses a register meanwhile.
//
//go:noescape
func Hold(n uint64) (changed uint64)
