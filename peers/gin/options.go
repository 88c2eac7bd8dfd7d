package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

type options struct {
	host    string
	port    int
	workers int
}

func (o options) address() string { return net.JoinHostPort(o.host, strconv.Itoa(o.port)) }

func parseOptions(args []string) (options, error) {
	opts := options{host: "127.0.0.1", port: 8000, workers: 1}
	set := flag.NewFlagSet("gin-peer", flag.ContinueOnError)
	// main prints the returned error; the package would also print its usage.
	set.SetOutput(io.Discard)
	set.Func("host", "`address` to listen on (default 127.0.0.1)", func(text string) error {
		if opts.host = text; text == "" {
			// An empty host means every interface of the machine.
			return errors.New("must not be empty")
		}
		return nil
	})
	set.Func("port", "`number` of the port, 0 picks one (default 8000)", whole(&opts.port, 0, 65_535))
	set.Func("workers", "`threads` that run Go code (default 1)", whole(&opts.workers, 1, 1000))

	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		set.SetOutput(os.Stdout)
		set.PrintDefaults()
	}
	if err == nil && set.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	return opts, err
}

// whole parses numbers for package flag, whose own parser accepts 0x10 and 1_000.
func whole(target *int, lowest, highest int64) func(string) error {
	return func(text string) error {
		value, err := wholeNumber(text, lowest, highest)
		*target = int(value)
		return err
	}
}

// wholeNumber accepts plain decimal digits only.
func wholeNumber(text string, lowest, highest int64) (int64, error) {
	value, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(value) < lowest || int64(value) > highest {
		return 0, fmt.Errorf("must be a whole number from %d to %d", lowest, highest)
	}
	return int64(value), nil
}
