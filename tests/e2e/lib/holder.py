"""Holds a process the way another debugger does: holder.py PID seizes it and waits for its end."""
import ctypes
import sys

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    pid = int(sys.argv[1])
    if libc.ptrace(PTRACE_SEIZE, pid, None, None) != 0:
        sys.exit(f"cannot seize {pid}: errno {ctypes.get_errno()}")
    print("HELD", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
