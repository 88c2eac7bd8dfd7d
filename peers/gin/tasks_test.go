package main

import (
	"encoding/base64"
	"math"
	"testing"
)

func TestCursorComesBack(t *testing.T) {
	for _, id := range []int64{0, 1, 25, 999, math.MaxInt64} {
		if got, err := decodeCursor(encodeCursor(id)); err != nil || got != id {
			t.Errorf("%d came back as %d, %v", id, got, err)
		}
	}
	if got := encodeCursor(25); got != "MjU" {
		t.Errorf("the cursor of 25 is %q", got)
	}
}

func TestCursorHasOneForm(t *testing.T) {
	wrong := []string{"", "M", "MjU=", "Mj\nU", "!!", "MjV", "25", "\xff"}
	for _, decimal := range []string{"x", "-1", "+1", "01", "1.0", " 1", "9223372036854775808"} {
		wrong = append(wrong, base64.RawURLEncoding.EncodeToString([]byte(decimal)))
	}
	for _, cursor := range wrong {
		if id, err := decodeCursor(cursor); err == nil {
			t.Errorf("%q was taken for %d", cursor, id)
		}
	}
}

func TestOnlyAPageWithMoreBehindItHasANext(t *testing.T) {
	tasks := []task{{TaskID: 3}, {TaskID: 7}, {TaskID: 8}}
	if page := newTaskPage(tasks, 3); page.Next != nil || len(page.Items) != 3 {
		t.Errorf("the last page is %+v", page)
	}
	page := newTaskPage(tasks, 2)
	if len(page.Items) != 2 || page.Next == nil || *page.Next != encodeCursor(7) {
		t.Errorf("the first page is %+v", page)
	}
}
