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

// Log entries in place of an HTTP status.
const (
	dropped = -1
	held    = -2
)

var requestID = regexp.MustCompile(`^[0-9A-Za-z._-]{1,64}$`)

// cleanRequestID returns the id if it fits a CSV cell unchanged, else "". A truncated id matches nothing.
func cleanRequestID(text string) string {
	if requestID.MatchString(text) {
		return text
	}
	return ""
}

// heldRequest is a valid request that still waits.
type heldRequest struct {
	requestID string
	arrived   time.Time
	askedMS   int
}

// stats is a snapshot. received = served + errors + dropped + in_flight; means are over served.
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

// upstreamCounters counts requests from arrival to end.
type upstreamCounters struct {
	mutex      sync.Mutex
	log        *requestLog
	started    time.Time
	closed     bool
	open       map[*heldRequest]struct{}
	counts     stats
	askedMSSum float64
	lateMSSum  float64
	lateMSMax  float64
}

func newUpstreamCounters(log *requestLog) *upstreamCounters {
	return &upstreamCounters{
		log:       log,
		started:   time.Now(),
		open:      map[*heldRequest]struct{}{},
		lateMSMax: math.Inf(-1),
	}
}

func (c *upstreamCounters) reject() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts.Rejected++
}

func (c *upstreamCounters) recordArrival(id string, askedMS int) *heldRequest {
	one := &heldRequest{id, time.Now(), askedMS}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.closed {
		c.counts.Received++
		c.open[one] = struct{}{}
		c.counts.InFlightPeak = max(c.counts.InFlightPeak, len(c.open))
	}
	return one
}

// recordEnd takes an HTTP status or dropped, and returns true if the request was counted.
func (c *upstreamCounters) recordEnd(one *heldRequest, status int) bool {
	waitedMS := time.Since(one.arrived).Seconds() * 1000
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, known := c.open[one]; !known || c.closed {
		return false
	}
	delete(c.open, one)
	c.log.add(one, waitedMS, status)
	switch status {
	case dropped:
		c.counts.Dropped++
	case http.StatusOK:
		lateMS := waitedMS - float64(one.askedMS)
		c.counts.Served++
		c.askedMSSum += float64(one.askedMS)
		c.lateMSSum += lateMS
		c.lateMSMax = max(c.lateMSMax, lateMS)
	default:
		c.counts.Errors++
	}
	return true
}

func (c *upstreamCounters) flush() {
	c.mutex.Lock()
	lines := c.log.take()
	c.mutex.Unlock()
	// Outside the lock: a slow disk must not delay a request.
	c.log.write(lines)
}

// close logs the requests that still wait. Nothing is counted after this.
func (c *upstreamCounters) close() {
	c.mutex.Lock()
	c.closed = true
	var left []*heldRequest
	for one := range c.open {
		left = append(left, one)
	}
	sort.Slice(left, func(i, j int) bool { return left[i].arrived.Before(left[j].arrived) })
	for _, one := range left {
		c.log.add(one, time.Since(one.arrived).Seconds()*1000, held)
	}
	c.mutex.Unlock()
	c.flush()
}

func (c *upstreamCounters) takeSnapshot() stats {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := c.counts
	now.Implementation = implementation
	now.InFlight = len(c.open)
	now.UptimeS = roundToThousandths(time.Since(c.started).Seconds())
	if now.Served > 0 {
		served := float64(now.Served)
		asked, late, most := roundToThousandths(c.askedMSSum/served), roundToThousandths(c.lateMSSum/served), roundToThousandths(c.lateMSMax)
		now.AskedMSMean, now.LateMSMean, now.LateMSMax = &asked, &late, &most
	}
	return now
}

func roundToThousandths(value float64) float64 { return math.Round(value*1000) / 1000 }
