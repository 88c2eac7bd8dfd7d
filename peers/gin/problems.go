package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgconn"
)

// problem is an error response.
type problem struct {
	status int
	detail string
}

func (p problem) Error() string { return p.detail }

func invalid(format string, values ...any) error {
	return problem{http.StatusUnprocessableEntity, fmt.Sprintf(format, values...)}
}

func notSet(variable string) error {
	return problem{http.StatusServiceUnavailable, variable + " is not set"}
}

// answering turns a handler's error into a response.
func answering(handle func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			refuse(c, problemOf(err))
		}
	}
}

// problemOf treats every other error as a database's: only databases return such errors here.
func problemOf(err error) problem {
	if known, ok := errors.AsType[problem](err); ok {
		return known
	}
	if refusal, ok := errors.AsType[*pgconn.PgError](err); ok {
		return problem{http.StatusServiceUnavailable, "database: " + refusal.Message}
	}
	return problem{http.StatusServiceUnavailable, "database: " + err.Error()}
}

func refuse(c *gin.Context, p problem) {
	c.AbortWithStatusJSON(p.status, gin.H{"detail": p.detail})
}

func refusing(status int) gin.HandlerFunc {
	return func(c *gin.Context) { refuse(c, problem{status, http.StatusText(status)}) }
}
