package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// settings come from the environment. A setting that is absent is empty, and its feature off.
type settings struct {
	postgres      *pgxpool.Config
	pool          int
	perRequest    bool
	sqlitePath    string
	upstreamQuery string
}

// settingsFrom returns errors that name the variable and a valid value.
func settingsFrom(lookup func(string) (string, bool)) (settings, error) {
	reader := settingsReader{lookup: lookup}
	conf := settings{
		pool:       reader.number("APP_DATABASE_POOL", 5, 1, 1000),
		perRequest: reader.oneOf("APP_DATABASE_LIFE", "pool", "per-request") == "per-request",
		sqlitePath: reader.text("APP_SQLITE"),
	}
	delayMS := reader.number("APP_DELAY_MS", 1000, 0, 60_000)
	if base := reader.text("APP_UPSTREAM_URL"); base != "" {
		reader.check("APP_UPSTREAM_URL", checkUpstream(base))
		conf.upstreamQuery = fmt.Sprintf("%s/?waitms=%d", strings.TrimRight(base, "/"), delayMS)
	}
	if address := reader.text("APP_DATABASE_URL"); address != "" {
		var err error
		conf.postgres, err = postgresConfig(address, conf.pool)
		reader.check("APP_DATABASE_URL", err)
	}
	return conf, reader.err
}

// settingsReader keeps the first error, so that the caller checks once, at the end.
type settingsReader struct {
	lookup func(string) (string, bool)
	err    error
}

func (r *settingsReader) check(key string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", key, err)
	}
}

func (r *settingsReader) text(key string) string {
	text, _ := r.lookup(key)
	return text
}

func (r *settingsReader) number(key string, absent int, lowest, highest int64) int {
	text, given := r.lookup(key)
	if !given {
		return absent
	}
	value, err := wholeNumber(text, lowest, highest)
	r.check(key, err)
	return int(value)
}

func (r *settingsReader) oneOf(key, absent, other string) string {
	text, given := r.lookup(key)
	if !given {
		return absent
	}
	if text != absent && text != other {
		r.check(key, fmt.Errorf("must be %s or %s", absent, other))
	}
	return text
}

func checkUpstream(base string) error {
	address, err := url.Parse(base)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" ||
		address.RawQuery != "" || address.Fragment != "" {
		return errors.New("must be a URL like http://127.0.0.1:8090")
	}
	return nil
}

func postgresConfig(text string, pool int) (*pgxpool.Config, error) {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "postgresql" && address.Scheme != "postgres" {
		return nil, errors.New("must be a URL like postgresql://user@host:port/name")
	}
	query := address.Query()
	if !query.Has("sslmode") {
		// Otherwise pgx tries TLS first, and connects a second time when that is refused.
		query.Set("sslmode", "disable")
		address.RawQuery = query.Encode()
	}
	config, err := pgxpool.ParseConfig(address.String())
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(pool)
	return config, nil
}
