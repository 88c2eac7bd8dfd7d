package main

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
)

const (
	selectTasks = `SELECT task_id, title, done FROM tasks WHERE task_id > $1 ORDER BY task_id LIMIT $2`
	insertTask  = `INSERT INTO tasks (title, done) VALUES ($1, $2) RETURNING task_id, title, done`
)

type task struct {
	TaskID int64  `json:"task_id"`
	Title  string `json:"title"`
	Done   bool   `json:"done"`
}

type taskPage struct {
	Items []task  `json:"items"`
	Next  *string `json:"next"`
}

// newTaskPage takes one task more than fits on the page, if there is one: it shows that another page
// follows.
func newTaskPage(tasks []task, limit int) taskPage {
	if len(tasks) <= limit {
		return taskPage{Items: tasks}
	}
	next := encodeCursor(tasks[limit-1].TaskID)
	return taskPage{tasks[:limit], &next}
}

func encodeCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

func decodeCursor(cursor string) (int64, error) {
	// Invalid base64 is not a number either, and fails below.
	decimal, _ := base64.RawURLEncoding.DecodeString(cursor)
	id, err := strconv.ParseInt(string(decimal), 10, 64)
	// Package base64 skips newlines, and ParseInt accepts +7 and 007; a cursor has one form.
	if err != nil || id < 0 || encodeCursor(id) != cursor {
		return 0, invalid("after must be the next of an earlier response")
	}
	return id, nil
}

// pageAsked returns the requested page: its size, and the id that it follows.
func pageAsked(c *gin.Context) (most int, after int64, err error) {
	values, err := query(c)
	if err != nil {
		return 0, 0, err
	}
	if most, err = limit(values, 25); err != nil {
		return 0, 0, err
	}
	if cursors := values["after"]; len(cursors) > 0 {
		after, err = decodeCursor(cursors[len(cursors)-1])
	}
	return most, after, err
}

func (p *postgres) listTasks(c *gin.Context) error {
	most, after, err := pageAsked(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	tasks, err := withTasks(ctx, p, func(lent querier) ([]task, error) {
		return collect[task](ctx, lent, selectTasks, after, most+1)
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, newTaskPage(tasks, most))
	return nil
}

func (p *postgres) addTask(c *gin.Context) error {
	body, err := readFields(c)
	if err != nil {
		return err
	}
	title, err := body.text("title", 200)
	if err != nil {
		return err
	}
	done, err := body.truth("done", false)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	added, err := withTasks(ctx, p, func(lent querier) ([]task, error) {
		return collect[task](ctx, lent, insertTask, title, done)
	})
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, added[0])
	return nil
}
