package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

const maxBody = 65_536

// pathText returns a segment of the path, percent-decoded.
func pathText(c *gin.Context, name string) (string, error) {
	text, err := url.PathUnescape(c.Param(name))
	if err != nil || !utf8.ValidString(text) {
		return "", invalid("%s must be percent-encoded UTF-8", name)
	}
	return text, nil
}

func pathNumber(c *gin.Context, name string, lowest, highest int64) (int, error) {
	text, err := pathText(c, name)
	if err != nil {
		return 0, err
	}
	return number(name, text, lowest, highest)
}

// query parses the whole query string; unlike gin's, it refuses malformed parts.
func query(c *gin.Context) (url.Values, error) {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		return nil, invalid("query: %v", err)
	}
	return values, nil
}

func limit(values url.Values, absent int) (int, error) {
	given := values["limit"]
	if len(given) == 0 {
		return absent, nil
	}
	// The last one counts, as in FastAPI.
	return number("limit", given[len(given)-1], 1, 100)
}

func number(name, text string, lowest, highest int64) (int, error) {
	value, err := wholeNumber(text, lowest, highest)
	if err != nil {
		return 0, invalid("%s %v", name, err)
	}
	return int(value), nil
}

func readBody(c *gin.Context) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, problem{http.StatusRequestEntityTooLarge, "the body must have at most 65,536 bytes"}
	}
	if err != nil {
		return nil, invalid("the body ends too early: %v", err)
	}
	// Package json would replace invalid UTF-8 with U+FFFD.
	if !utf8.Valid(body) {
		return nil, invalid("the body must be UTF-8")
	}
	return body, nil
}

// fields maps exact names to an object's values; a struct would also accept TITLE for title, and
// null for false.
type fields map[string]json.RawMessage

func readFields(c *gin.Context) (fields, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	var object fields
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, invalid("the body must be a JSON object: %v", err)
	}
	return object, nil
}

func (f fields) text(name string, longest int) (string, error) {
	var text *string
	if json.Unmarshal(f[name], &text) != nil || text == nil || !surrogatesPaired(f[name]) {
		return "", invalid("%s must be a string", name)
	}
	if length := utf8.RuneCountInString(*text); length < 1 || length > longest {
		return "", invalid("%s must have 1 to %d characters", name, longest)
	}
	if strings.ContainsRune(*text, 0) {
		return "", invalid("%s must not contain NUL", name)
	}
	return *text, nil
}

func (f fields) truth(name string, absent bool) (bool, error) {
	raw, given := f[name]
	if !given {
		return absent, nil
	}
	if text := string(raw); text != "true" && text != "false" {
		return false, invalid("%s must be true or false", name)
	}
	return string(raw) == "true", nil
}

func (f fields) number(name string, lowest, highest int64) (int, error) {
	return number(name, string(f[name]), lowest, highest)
}

var pairedEscapes = regexp.MustCompile(
	`^(?:[^\\]|\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u(?:[^dD].|[dD][0-7])..)*$`)

// surrogatesPaired returns false for an escaped lone surrogate, which package json turns into U+FFFD.
func surrogatesPaired(literal json.RawMessage) bool {
	return !bytes.Contains(literal, []byte(`\u`)) || pairedEscapes.Match(literal)
}
