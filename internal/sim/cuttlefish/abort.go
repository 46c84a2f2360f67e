package cuttlefish

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// abort ends the process with SIGABRT, as cvd ends after an interrupt. Go's runtime would print all
// stacks and exit with 2 instead, so its handler is taken away first.
func abort() error {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // nobody wants the core
	// struct sigaction of the kernel: handler, flags, restorer, mask; all zero is SIG_DFL.
	var action [4]uintptr
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION,
		uintptr(unix.SIGABRT), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	if errno != 0 {
		return fmt.Errorf("abort: %w", errno)
	}
	if err := unix.Kill(os.Getpid(), unix.SIGABRT); err != nil {
		return fmt.Errorf("abort: %w", err)
	}
	select {} // the signal has no return
}
