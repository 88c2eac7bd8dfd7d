package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

const selectUsers = `SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT $1`

type user struct {
	UserID int64  `json:"user_id"`
	Name   string `json:"name"`
	Email  string `json:"email"`
	Karma  int32  `json:"karma"`
	Active bool   `json:"active"`
}

func (p *postgres) listUsers(c *gin.Context) error {
	values, err := query(c)
	if err != nil {
		return err
	}
	most, err := limit(values, 100)
	if err != nil {
		return err
	}
	if p.pool == nil {
		return notSet("APP_DATABASE_URL")
	}
	users, err := collect[user](c.Request.Context(), p.pool, selectUsers, most)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, users)
	return nil
}
