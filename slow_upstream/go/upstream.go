package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	plainText = "text/plain; charset=utf-8"
	inJSON    = "application/json"
)

type upstream struct {
	planner   *responsePlanner
	counters  *upstreamCounters
	defaultMS int
}

func newUpstream(opts options, counters *upstreamCounters) *upstream {
	return &upstream{newResponsePlanner(opts), counters, opts.defaultMS}
}

// ServeHTTP routes by hand: http.ServeMux would redirect unclean paths instead of sending a 404.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/" && r.URL.Path != "/stats":
		respond(w, http.StatusNotFound, plainText, "Not found: there is only / and /stats")
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		respond(w, http.StatusMethodNotAllowed, plainText, "Only GET is allowed")
	case r.URL.Path == "/stats":
		// Strings and finite numbers always encode.
		body, _ := json.Marshal(u.counters.takeSnapshot())
		respond(w, http.StatusOK, inJSON, string(body))
	default:
		u.respondAfterDelay(w, r)
	}
}

func (u *upstream) respondAfterDelay(w http.ResponseWriter, r *http.Request) {
	meanMS, err := parseWaitMS(r.URL.RawQuery, u.defaultMS)
	if err != nil {
		u.counters.reject()
		respond(w, http.StatusBadRequest, plainText, err.Error())
		return
	}
	askedMS, fails := u.planner.planResponse(meanMS)
	arrived := u.counters.recordArrival(cleanRequestID(r.Header.Get("X-Request-Id")), askedMS)
	status, text := http.StatusOK, fmt.Sprintf("Waited for %d milliseconds", askedMS)
	if fails {
		status, text = http.StatusInternalServerError,
			fmt.Sprintf("Planned error after %d milliseconds", askedMS)
	}
	if !waitUnlessDisconnected(r.Context(), time.Duration(askedMS)*time.Millisecond) {
		status = dropped
	}
	// Count first, then send: a client that has the response must find it in /stats. A request that
	// is no longer counted must get no response.
	if !u.counters.recordEnd(arrived, status) || status == dropped {
		panic(http.ErrAbortHandler)
	}
	respond(w, status, plainText, text)
}

// waitUnlessDisconnected waits, and returns false if the client disconnects first.
func waitUnlessDisconnected(client context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-client.Done():
		return false
	}
}

func respond(w http.ResponseWriter, status int, contentType, body string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// The body repeats a refused value: a browser must not treat it as a page.
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that left in the meantime needs no error: its response was in time.
	_, _ = w.Write([]byte(body))
}
