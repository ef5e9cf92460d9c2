#include "textflag.h"

// func SpinLeaf(n uint64) uint64: no frame
TEXT ·SpinLeaf(SB), NOSPLIT, $0-16
	MOVQ n+0(FP), AX
	XORQ BX, BX
loop:
	ADDQ AX, BX
	SUBQ $1, AX
	JNZ  loop
	MOVQ BX, ret+8(FP)
	RET

// func SpinFrame(n uint64) uint64: with a frame, and calling on
TEXT ·SpinFrame(SB), $64-16
	MOVQ n+0(FP), AX
	MOVQ AX, 0(SP)
	CALL ·SpinLeaf(SB)
	MOVQ 8(SP), BX
	MOVQ BX, ret+8(FP)
	RET

// func SpinPushed(n uint64) uint64: a stack pointer that moves
TEXT ·SpinPushed(SB), NOSPLIT, $0-16
	MOVQ n+0(FP), AX
	PUSHQ AX
	PUSHQ AX
	ADDQ $1, AX
again:
	PUSHQ AX
	SUBQ  $1, AX
	POPQ  BX
	JNZ   again
	POPQ AX
	POPQ AX
	MOVQ AX, ret+8(FP)
	RET

// func SpinUntil(word *int32)
TEXT ·SpinUntil(SB), NOSPLIT, $0-8
	MOVQ word+0(FP), AX
wait:
	PAUSE
	CMPL (AX), $0
	JEQ  wait
	RET
