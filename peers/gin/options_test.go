package main

import (
	"errors"
	"flag"
	"testing"
)

func TestOptionsAreRead(t *testing.T) {
	opts, err := parseOptions([]string{"--host", "::1", "--port=0", "--workers", "4"})
	if want := (options{"::1", 0, 4}); err != nil || opts != want {
		t.Fatalf("got %v, %v; want %v", opts, err, want)
	}
	if opts.address() != "[::1]:0" {
		t.Errorf("address is %s", opts.address())
	}
}

func TestOptionsHaveDefaults(t *testing.T) {
	opts, err := parseOptions(nil)
	if want := (options{"127.0.0.1", 8000, 1}); err != nil || opts != want {
		t.Fatalf("got %v, %v; want %v", opts, err, want)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--port", "65536"}, {"--port", "-1"}, {"--port", "0x10"}, {"--port", "1_000"}, {"--port", ""},
		{"--workers", "0"}, {"--workers", "1001"}, {"--workers", "two"}, {"--workers"},
		{"--host", ""}, {"--threads", "1"}, {"more"},
	} {
		if _, err := parseOptions(args); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: got %v, want an error", args, err)
		}
	}
}
