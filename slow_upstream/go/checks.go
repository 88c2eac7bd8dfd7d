package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxWaitMS       = 60_000
	shownCharacters = 40
)

var decimal = regexp.MustCompile(`^[0-9]{1,20}(\.[0-9]{1,20})?$`)

// quoteValue quotes a value that a caller chose: at most limit characters of printable ASCII, without
// characters special to a terminal, a shell or an HTML page.
func quoteValue(text string, limit int) string {
	safe := []byte(text)
	for i, char := range safe {
		if char < ' ' || char > '~' || strings.IndexByte("\"&'<>\\`", char) >= 0 {
			safe[i] = '?'
		}
	}
	if len(safe) > limit {
		safe = append(safe[:limit-3], "..."...)
	}
	return `"` + string(safe) + `"`
}

// parseWholeNumber parses plain decimal digits only; its error states the range.
func parseWholeNumber(text string, highest uint64) (uint64, error) {
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil || value > highest {
		return 0, fmt.Errorf("must be one whole number from 0 to %d, not %s",
			highest, quoteValue(text, shownCharacters))
	}
	return value, nil
}

// parseFraction parses a plain decimal fraction from 0 to 1; it refuses NaN and 1e-3.
func parseFraction(text string) (float64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if !decimal.MatchString(text) || err != nil || value > 1 {
		return 0, fmt.Errorf("must be a decimal number from 0 to 1, not %s",
			quoteValue(text, shownCharacters))
	}
	return value, nil
}

// parseWaitMS returns the mean wait in a query string, in milliseconds. It does not decode percent
// escapes: waitms=%31 is not a plain number.
func parseWaitMS(query string, defaultMS int) (int, error) {
	var values []string
	for _, pair := range strings.Split(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name == "waitms" {
			values = append(values, value)
		}
	}
	if values == nil {
		return defaultMS, nil
	}
	value, err := parseWholeNumber(strings.Join(values, ","), maxWaitMS)
	if err != nil {
		return 0, fmt.Errorf("waitms %w", err)
	}
	return int(value), nil
}
