package main

import (
	"math"
	"net/http"
	"regexp"
	"sort"
	"sync"
	"time"
)

const implementation = "go"

// What the log says in place of an HTTP status.
const (
	dropped = -1
	held    = -2
)

var requestID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// cleanRequestID is the id if it fits a CSV cell as it is, else nothing: a cut id would match no other.
func cleanRequestID(text string) string {
	if requestID.MatchString(text) {
		return text
	}
	return ""
}

// wait is one valid request being held.
type wait struct {
	requestID string
	arrived   time.Time
	askedMS   int
}

// stats is a snapshot. received = served + errors + dropped + in_flight; means are over the served.
type stats struct {
	Implementation string   `json:"implementation"`
	Received       int      `json:"received"`
	Served         int      `json:"served"`
	Errors         int      `json:"errors"`
	Rejected       int      `json:"rejected"`
	Dropped        int      `json:"dropped"`
	InFlight       int      `json:"in_flight"`
	InFlightPeak   int      `json:"in_flight_peak"`
	AskedMSMean    *float64 `json:"asked_ms_mean"`
	LateMSMean     *float64 `json:"late_ms_mean"`
	LateMSMax      *float64 `json:"late_ms_max"`
	UptimeS        float64  `json:"uptime_s"`
}

// ledger counts requests from their arrival to their end.
type ledger struct {
	mutex      sync.Mutex
	log        *requestLog
	started    time.Time
	closed     bool
	open       map[*wait]struct{}
	counts     stats
	askedMSSum float64
	lateMSSum  float64
	lateMSMax  float64
}

func newLedger(log *requestLog) *ledger {
	return &ledger{
		log:       log,
		started:   time.Now(),
		open:      map[*wait]struct{}{},
		lateMSMax: math.Inf(-1),
	}
}

func (l *ledger) reject() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.counts.Rejected++
}

func (l *ledger) arrive(id string, askedMS int) *wait {
	one := &wait{id, time.Now(), askedMS}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !l.closed {
		l.counts.Received++
		l.open[one] = struct{}{}
		l.counts.InFlightPeak = max(l.counts.InFlightPeak, len(l.open))
	}
	return one
}

// end takes an HTTP status, or dropped, and says whether the request still counted.
func (l *ledger) end(one *wait, status int) bool {
	waitedMS := time.Since(one.arrived).Seconds() * 1000
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if _, known := l.open[one]; !known || l.closed {
		return false
	}
	delete(l.open, one)
	l.log.add(one, waitedMS, status)
	switch status {
	case dropped:
		l.counts.Dropped++
	case http.StatusOK:
		lateMS := waitedMS - float64(one.askedMS)
		l.counts.Served++
		l.askedMSSum += float64(one.askedMS)
		l.lateMSSum += lateMS
		l.lateMSMax = max(l.lateMSMax, lateMS)
	default:
		l.counts.Errors++
	}
	return true
}

func (l *ledger) flush() {
	l.mutex.Lock()
	lines := l.log.take()
	l.mutex.Unlock()
	// Outside the lock: a slow disk must not hold up a request.
	l.log.write(lines)
}

// close logs what is still held; nothing is counted after this.
func (l *ledger) close() {
	l.mutex.Lock()
	l.closed = true
	var left []*wait
	for one := range l.open {
		left = append(left, one)
	}
	sort.Slice(left, func(i, j int) bool { return left[i].arrived.Before(left[j].arrived) })
	for _, one := range left {
		l.log.add(one, time.Since(one.arrived).Seconds()*1000, held)
	}
	l.mutex.Unlock()
	l.flush()
}

func (l *ledger) stats() stats {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	now := l.counts
	now.Implementation = implementation
	now.InFlight = len(l.open)
	now.UptimeS = thousandths(time.Since(l.started).Seconds())
	if now.Served > 0 {
		served := float64(now.Served)
		asked, late, most := thousandths(l.askedMSSum/served), thousandths(l.lateMSSum/served), thousandths(l.lateMSMax)
		now.AskedMSMean, now.LateMSMean, now.LateMSMax = &asked, &late, &most
	}
	return now
}

func thousandths(value float64) float64 { return math.Round(value*1000) / 1000 }
