package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	upstreamTimeout = 60 * time.Second
	requestIDHeader = "X-Request-Id"
)

// upstream has no query if no URL is set.
type upstream struct {
	client *http.Client
	query  string
}

func newUpstream(conf settings) *upstream {
	// No proxy, and no limit except this one, whose zero would mean 2.
	transport := &http.Transport{MaxIdleConnsPerHost: 10_000}
	return &upstream{
		client: &http.Client{
			Transport:     transport,
			Timeout:       upstreamTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		query: conf.upstreamQuery,
	}
}

func (u *upstream) relay(c *gin.Context) error {
	if u.query == "" {
		return notSet("APP_UPSTREAM_URL")
	}
	body, err := u.fetch(c.Request.Context(), c.GetHeader(requestIDHeader))
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "text/plain; charset=utf-8", body)
	return nil
}

func (u *upstream) fetch(ctx context.Context, requestID string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.query, nil)
	if err != nil {
		return nil, upstreamProblem(err)
	}
	if requestID != "" {
		request.Header.Set(requestIDHeader, requestID)
	}
	answer, err := u.client.Do(request)
	if err != nil {
		return nil, upstreamProblem(err)
	}
	defer answer.Body.Close()
	// Read the body in any case, so that the connection can be reused.
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, upstreamProblem(err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, problem{http.StatusBadGateway, fmt.Sprintf("upstream answered %d", answer.StatusCode)}
	}
	return body, nil
}

func upstreamProblem(err error) problem {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return problem{http.StatusGatewayTimeout, "upstream too late"}
	}
	return problem{http.StatusBadGateway, fmt.Sprintf("upstream failed: %v", err)}
}
