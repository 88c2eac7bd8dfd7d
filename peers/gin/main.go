// Command gin-peer answers the HTTP contract of peers/README.md in Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	broken   = 1
	wrongUse = 2

	// Longer than any client here keeps an idle connection, so that the server never closes one first.
	idleTimeout = 15 * time.Minute
	// Requests in flight may take this long after SIGTERM; the contract allows a second.
	gracePeriod = 700 * time.Millisecond
	closePeriod = 200 * time.Millisecond
)

func main() {
	opts, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	exitOn(err, wrongUse)
	conf, err := settingsFrom(os.LookupEnv)
	exitOn(err, wrongUse)
	runtime.GOMAXPROCS(opts.workers)
	listener, err := net.Listen("tcp", opts.address())
	exitOn(err, wrongUse)

	services := newServices(conf)
	exitOn(serve(listener, newRouter(services)), broken)
	closeWithin(services.close, closePeriod)
}

// closeWithin waits only so long: a database that does not answer keeps its connections open for 15 s,
// and the end of the process closes them too.
func closeWithin(closeAll func(), limit time.Duration) {
	closed := make(chan struct{})
	go func() {
		closeAll()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(limit):
	}
}

// exitOn prints the error as one line and exits.
func exitOn(err error, code int) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gin-peer:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(code)
	}
}

// serve returns nil after the first SIGTERM or SIGINT.
func serve(listener net.Listener, handler http.Handler) error {
	stopping, forget := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	server := &http.Server{
		Handler:     handler,
		IdleTimeout: idleTimeout,
		// `OPTIONS *` gets its 404 from the router, like every other unknown path.
		DisableGeneralOptionsHandler: true,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	announce(listener)

	select {
	case err := <-failed:
		return err
	case <-stopping.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	if server.Shutdown(grace) != nil {
		return server.Close()
	}
	return nil
}

// announce prints the line with the port for the parent process.
func announce(listener net.Listener) {
	line := map[string]string{"listening": listener.Addr().String()}
	// A string always encodes, and an error of a closed pipe could not be reported.
	_ = json.NewEncoder(os.Stdout).Encode(line)
}
