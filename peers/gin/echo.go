package main

import (
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

type echoed struct {
	// The text as sent, because one of Go's number types would lose digits.
	Echo  json.RawMessage `json:"echo"`
	Bytes int             `json:"bytes"`
}

func echoBody(c *gin.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	if !json.Valid(body) {
		return invalid("the body must be one JSON value, at most 10,000 deep")
	}
	c.JSON(http.StatusOK, echoed{body, len(body)})
	return nil
}

func echoText(c *gin.Context) error {
	text, err := pathText(c, "text")
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(text) > 256 {
		return invalid("text must have 1 to 256 characters")
	}
	c.JSON(http.StatusOK, gin.H{"echo": text})
	return nil
}
