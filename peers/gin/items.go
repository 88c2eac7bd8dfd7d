package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

type item struct {
	ItemID     int64  `json:"item_id"`
	Name       string `json:"name"`
	PriceCents int64  `json:"price_cents"`
}

// columns returns the targets of a row, in the order of columns in both statements.
func (i *item) columns() []any { return []any{&i.ItemID, &i.Name, &i.PriceCents} }

func (s *sqlite) listItems(c *gin.Context) error {
	values, err := query(c)
	if err != nil {
		return err
	}
	most, err := limit(values, 25)
	if err != nil {
		return err
	}
	rows, err := s.list.query(c.Request.Context(), most)
	if err != nil {
		return err
	}
	defer rows.Close()
	items := make([]item, 0, most)
	for rows.Next() {
		var one item
		if err := rows.Scan(one.columns()...); err != nil {
			return err
		}
		items = append(items, one)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"items": items})
	return nil
}

func (s *sqlite) addItem(c *gin.Context) error {
	body, err := readFields(c)
	if err != nil {
		return err
	}
	name, err := body.text("name", 100)
	if err != nil {
		return err
	}
	price, err := body.number("price_cents", 0, 1_000_000_000)
	if err != nil {
		return err
	}
	var added item
	if err := s.insert.row(c.Request.Context(), []any{name, price}, added.columns()); err != nil {
		return err
	}
	c.JSON(http.StatusCreated, added)
	return nil
}

func (s *sqlite) checkHealth(c *gin.Context) {
	var one int
	if err := s.health.row(c.Request.Context(), nil, []any{&one}); err != nil {
		found := problemOf(err)
		c.JSON(found.status, gin.H{"detail": found.detail, "database": "unreachable"})
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ok", "database": "ok"})
}
