#include "textflag.h"

// Functions whose first instruction is of every kind that a debugger must get past. Each takes a number
// in AX and returns it plus one there. They are no Go functions to the runtime but parts of one: no
// stack of their own, called by their address.

DATA kind_one<>+0(SB)/8, $1
GLOBL kind_one<>(SB), RODATA, $8
DATA kind_zero<>+0(SB)/8, $0
GLOBL kind_zero<>(SB), RODATA, $8
GLOBL kind_scratch<>(SB), NOPTR, $8

// push
TEXT kind0<>(SB), NOSPLIT|NOFRAME, $0
	PUSHQ BX
	MOVQ  $1, BX
	ADDQ  BX, AX
	POPQ  BX
	RET

// mov reg, reg
TEXT kind1<>(SB), NOSPLIT|NOFRAME, $0
	MOVQ AX, BX
	LEAQ 1(BX), AX
	RET

// sub rsp
TEXT kind2<>(SB), NOSPLIT|NOFRAME, $0
	SUBQ $16, SP
	INCQ AX
	ADDQ $16, SP
	RET

// a jump
TEXT kind3<>(SB), NOSPLIT|NOFRAME, $0
	JMP  over
	INT  $3
over:
	INCQ AX
	RET

// a conditional jump that is taken (the caller compares equal)
TEXT kind4<>(SB), NOSPLIT|NOFRAME, $0
	JEQ  yes
	RET
yes:
	INCQ AX
	RET

// one that is not
TEXT kind5<>(SB), NOSPLIT|NOFRAME, $0
	JNE  no
	INCQ AX
no:
	RET

// a call
TEXT kind6<>(SB), NOSPLIT|NOFRAME, $0
	CALL kind1<>(SB)
	RET

// ret: the caller has added one already
TEXT kind7<>(SB), NOSPLIT|NOFRAME, $0
	RET

// an operand relative to pc, read
TEXT kind8<>(SB), NOSPLIT|NOFRAME, $0
	ADDQ kind_one<>(SB), AX
	RET

// the address of one
TEXT kind9<>(SB), NOSPLIT|NOFRAME, $0
	LEAQ kind_one<>(SB), BX
	ADDQ (BX), AX
	RET

// one with an immediate operand behind it
TEXT kind10<>(SB), NOSPLIT|NOFRAME, $0
	CMPQ kind_zero<>(SB), $0
	JNE  bad
	INCQ AX
bad:
	RET

// an indirect call
TEXT kind11<>(SB), NOSPLIT|NOFRAME, $0
	CALL CX
	RET

// an indirect jump
TEXT kind12<>(SB), NOSPLIT|NOFRAME, $0
	JMP  CX

// a locked instruction
TEXT kind13<>(SB), NOSPLIT|NOFRAME, $0
	LOCK
	XADDQ BX, kind_scratch<>(SB)
	INCQ AX
	RET

// a repeated one
TEXT kind14<>(SB), NOSPLIT|NOFRAME, $0
	REP; STOSB
	LEAQ 1(DX), AX
	RET

// a system call: getpid
TEXT kind15<>(SB), NOSPLIT|NOFRAME, $0
	SYSCALL
	LEAQ 1(DX), AX
	RET

// sse
TEXT kind16<>(SB), NOSPLIT|NOFRAME, $0
	MOVQ AX, X0
	MOVQ X0, AX
	INCQ AX
	RET

// loop
TEXT kind17<>(SB), NOSPLIT|NOFRAME, $0
	LOOP again
	RET
again:
	INCQ AX
	RET

// jrcxz
TEXT kind18<>(SB), NOSPLIT|NOFRAME, $0
	JCXZQ empty
	RET
empty:
	INCQ AX
	RET

// nop
TEXT kind19<>(SB), NOSPLIT|NOFRAME, $0
	NOP
	BYTE $0x90
	INCQ AX
	RET

// pop: the return address
TEXT kind20<>(SB), NOSPLIT|NOFRAME, $0
	POPQ BX
	INCQ AX
	JMP  BX

// pushf
TEXT kind21<>(SB), NOSPLIT|NOFRAME, $0
	PUSHFQ
	INCQ AX
	POPFQ
	RET

// a call through memory
TEXT kind22<>(SB), NOSPLIT|NOFRAME, $0
	CALL (R12)(R13*8)
	RET

// cpuid
TEXT kind23<>(SB), NOSPLIT|NOFRAME, $0
	CPUID
	LEAQ 1(R8), AX
	RET

DATA kind_table<>+0(SB)/8, $kind0<>(SB)
DATA kind_table<>+8(SB)/8, $kind1<>(SB)
DATA kind_table<>+16(SB)/8, $kind2<>(SB)
DATA kind_table<>+24(SB)/8, $kind3<>(SB)
DATA kind_table<>+32(SB)/8, $kind4<>(SB)
DATA kind_table<>+40(SB)/8, $kind5<>(SB)
DATA kind_table<>+48(SB)/8, $kind6<>(SB)
DATA kind_table<>+56(SB)/8, $kind7<>(SB)
DATA kind_table<>+64(SB)/8, $kind8<>(SB)
DATA kind_table<>+72(SB)/8, $kind9<>(SB)
DATA kind_table<>+80(SB)/8, $kind10<>(SB)
DATA kind_table<>+88(SB)/8, $kind11<>(SB)
DATA kind_table<>+96(SB)/8, $kind12<>(SB)
DATA kind_table<>+104(SB)/8, $kind13<>(SB)
DATA kind_table<>+112(SB)/8, $kind14<>(SB)
DATA kind_table<>+120(SB)/8, $kind15<>(SB)
DATA kind_table<>+128(SB)/8, $kind16<>(SB)
DATA kind_table<>+136(SB)/8, $kind17<>(SB)
DATA kind_table<>+144(SB)/8, $kind18<>(SB)
DATA kind_table<>+152(SB)/8, $kind19<>(SB)
DATA kind_table<>+160(SB)/8, $kind20<>(SB)
DATA kind_table<>+168(SB)/8, $kind21<>(SB)
DATA kind_table<>+176(SB)/8, $kind22<>(SB)
DATA kind_table<>+184(SB)/8, $kind23<>(SB)
GLOBL kind_table<>(SB), RODATA, $192

// func call(k int, v uint64) uint64
TEXT ·call(SB), NOSPLIT, $64-24
	MOVQ k+0(FP), SI
	MOVQ v+8(FP), AX
	MOVQ AX, DX
	MOVQ AX, R8
	LEAQ kind_table<>(SB), R12
	MOVQ $1, R13            // kind22 calls kind1
	MOVQ 8(R12), CX         // so do kind11 and kind12
	MOVQ $1, BX
	CMPQ SI, $7
	JNE  not7
	INCQ AX
not7:
	CMPQ SI, $14
	JNE  not14
	LEAQ 16(SP), DI
	MOVQ $20, CX
not14:
	CMPQ SI, $15
	JNE  not15
	MOVQ $39, AX
not15:
	CMPQ SI, $17
	JNE  not17
	MOVQ $5, CX
not17:
	CMPQ SI, $18
	JNE  not18
	XORL CX, CX
not18:
	CMPQ SI, $23
	JNE  not23
	XORL AX, AX
	XORL CX, CX
not23:
	MOVQ (R12)(SI*8), SI
	CMPQ SI, SI
	CALL SI
	MOVQ AX, ret+16(FP)
	RET

// func raise()
TEXT ·raise(SB), NOSPLIT, $0-0
	BYTE $0xcc
	RET
