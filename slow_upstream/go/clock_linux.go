package main

import (
	"syscall"
	"unsafe"
)

const clockMonotonic = 1

// readMonotonicNS reads CLOCK_MONOTONIC in nanoseconds: the clock of Python's time.monotonic().
func readMonotonicNS() (ns int64, known bool) {
	var now syscall.Timespec
	_, _, failed := syscall.RawSyscall(
		syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano(), failed == 0
}
