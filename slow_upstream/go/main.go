// Command slow-upstream is an HTTP server that waits before it responds. It has the same contract as
// the Python package in the parent folder, but more accurate waits, and spreads bursts over the cores.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	wrongUse      = 2
	cannotRunHere = 3
	// Longer than any client keeps an idle connection, so that the server never closes one first.
	keepAlive  = 600 * time.Second
	flushEvery = 100 * time.Millisecond
)

// problem is an error that the user can fix; its text is the one line to print.
type problem struct {
	text     string
	exitCode int
}

func (p problem) Error() string { return p.text }

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "slow-upstream: %v\n", err)
		var known problem
		if errors.As(err, &known) {
			os.Exit(known.exitCode)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	// Before the log, so that a second start on a taken port does not empty the first log.
	listener, err := listen(opts)
	if err != nil {
		return err
	}
	log, err := openLog(opts.log)
	if err != nil {
		return err
	}
	return serve(opts, listener, newUpstreamCounters(log))
}

// listen sets neither the backlog, for which Go takes the largest that the kernel allows, nor
// TCP_NODELAY, which Go sets on every connection.
func listen(opts options) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(opts.host, strconv.Itoa(opts.port)))
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, problem{fmt.Sprintf(
			"--port: %d on %s is taken; stop its owner or give another, 0 picks one",
			opts.port, opts.host), cannotRunHere}
	default:
		return nil, problem{fmt.Sprintf(
			"--host %s --port %d: %v", quoteValue(opts.host, 200), opts.port, errors.Unwrap(err)), wrongUse}
	}
}

func openLog(path string) (*requestLog, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, problem{fmt.Sprintf(
			"--log: cannot write %s: %v", quoteValue(path, 200), errors.Unwrap(err)), wrongUse}
	}
	return newRequestLog(file), nil
}

// serve returns after the first SIGTERM or SIGINT, once the waiting requests are logged.
func serve(opts options, listener net.Listener, counters *upstreamCounters) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	// Keep running if the reader of stdout has gone.
	signal.Ignore(syscall.SIGPIPE)

	server := &http.Server{
		Handler:           newUpstream(opts, counters),
		IdleTimeout:       keepAlive,
		ReadHeaderTimeout: keepAlive,
		// Our handler sends the 404 for `OPTIONS *`, as for every other unknown target.
		DisableGeneralOptionsHandler: true,
	}
	broken := make(chan error, 1)
	go func() { broken <- server.Serve(listener) }()
	announce(map[string]any{
		"listening":      listener.Addr().String(),
		"port":           listener.Addr().(*net.TCPAddr).Port,
		"pid":            os.Getpid(),
		"implementation": implementation,
	})

	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			counters.flush()
		case err := <-broken:
			counters.close()
			return err
		case <-stop:
			// First close the counters: a connection that is closed looks like a client that left.
			counters.close()
			err := server.Close()
			announce(map[string]any{"stats": counters.takeSnapshot()})
			return err
		}
	}
}

// announce writes one JSON line to stdout.
func announce(line map[string]any) {
	// Strings and finite numbers always encode, and a closed pipe has no reader left to notify.
	_ = json.NewEncoder(os.Stdout).Encode(line)
}
