#include "textflag.h"

// func Hold(p unsafe.Pointer, until *uint32) unsafe.Pointer
TEXT ·Hold(SB), NOSPLIT, $0-24
	MOVQ p+0(FP), AX
	MOVQ AX, X5
	XORL AX, AX
	MOVQ AX, p+0(FP)
	MOVQ until+8(FP), BX

wait:
	PAUSE
	MOVL  (BX), AX
	TESTL AX, AX
	JEQ   wait
	MOVQ  X5, AX
	MOVQ  AX, ret+16(FP)
	RET
