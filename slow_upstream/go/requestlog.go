package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// requestLog is a CSV file, written in whole lines so that SIGKILL leaves no torn line. A nil
// requestLog keeps nothing. Its owner's lock guards add and take; write has one caller at a time.
type requestLog struct {
	file  *os.File
	lines []byte
	clock monotonicClock
}

func newRequestLog(file *os.File) *requestLog {
	return &requestLog{
		file:  file,
		lines: []byte("request_id,at_s,asked_ms,waited_ms,status\n"),
		clock: newMonotonicClock(),
	}
}

func (r *requestLog) add(one *heldRequest, waitedMS float64, status int) {
	if r == nil {
		return
	}
	name := strconv.Itoa(status)
	switch status {
	case dropped:
		name = "dropped"
	case held:
		name = "held"
	}
	r.lines = fmt.Appendf(r.lines, "%s,%s,%d,%.3f,%s\n",
		one.requestID, r.clock.text(one.arrived), one.askedMS, waitedMS, name)
}

func (r *requestLog) take() []byte {
	if r == nil {
		return nil
	}
	lines := r.lines
	r.lines = nil
	return lines
}

func (r *requestLog) write(lines []byte) {
	if r == nil || r.file == nil || len(lines) == 0 {
		return
	}
	if _, err := r.file.Write(lines); err != nil {
		// A full disk must not change the waits that are being measured.
		fmt.Fprintf(os.Stderr, "slow-upstream: stopped logging: %v\n", err)
		r.file = nil
	}
}

// monotonicClock converts Go's times into seconds of CLOCK_MONOTONIC, which Go does not expose.
type monotonicClock struct {
	known   bool
	start   time.Time
	startNS int64
}

func newMonotonicClock() monotonicClock {
	ns, known := readMonotonicNS()
	return monotonicClock{known, time.Now(), ns}
}

// text returns "" if the clock cannot be read: unknown is not zero.
func (c monotonicClock) text(at time.Time) string {
	if !c.known {
		return ""
	}
	return fmt.Sprintf("%.6f", float64(c.startNS+at.Sub(c.start).Nanoseconds())/1e9)
}
