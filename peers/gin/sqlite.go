package main

import (
	"context"
	"database/sql"
	"net/url"
	"path/filepath"
	"sync/atomic"

	_ "modernc.org/sqlite"
)

const (
	selectItems = `SELECT item_id, name, price_cents FROM items ORDER BY item_id LIMIT ?`
	insertItem  = `INSERT INTO items (name, price_cents) VALUES (?, ?)
		RETURNING item_id, name, price_cents`
	selectOne = `SELECT 1`
)

// sqlite has no database if no file is set.
type sqlite struct {
	database             *sql.DB
	list, insert, health statement
}

func newSQLite(conf settings) *sqlite {
	if conf.sqlitePath == "" {
		return &sqlite{}
	}
	// Opens no file yet; its only error is an unknown driver.
	database, _ := sql.Open("sqlite", sqliteURI(conf.sqlitePath))
	database.SetMaxOpenConns(conf.pool)
	database.SetMaxIdleConns(conf.pool)
	return &sqlite{
		database: database,
		list:     statement{database: database, sql: selectItems},
		insert:   statement{database: database, sql: insertItem},
		health:   statement{database: database, sql: selectOne},
	}
}

// sqliteURI requires an existing file: without a mode, SQLite would create an empty one.
func sqliteURI(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	query := url.Values{
		"mode":    {"rw"},
		"_pragma": {"busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL"},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

func (s *sqlite) close() {
	if s.database != nil {
		s.database.Close()
	}
}

// statement is prepared on first use, because the file may be created after this process starts;
// package sql then prepares it once per connection.
type statement struct {
	database *sql.DB
	sql      string
	prepared atomic.Pointer[sql.Stmt]
}

func (s *statement) ready(ctx context.Context) (*sql.Stmt, error) {
	if s.database == nil {
		return nil, notSet("APP_SQLITE")
	}
	if known := s.prepared.Load(); known != nil {
		return known, nil
	}
	prepared, err := s.database.PrepareContext(ctx, s.sql)
	if err != nil {
		return nil, err
	}
	if !s.prepared.CompareAndSwap(nil, prepared) {
		prepared.Close()
	}
	return s.prepared.Load(), nil
}

func (s *statement) query(ctx context.Context, values ...any) (*sql.Rows, error) {
	prepared, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	return prepared.QueryContext(ctx, values...)
}

// row scans the one row that the statement returns.
func (s *statement) row(ctx context.Context, values, targets []any) error {
	prepared, err := s.ready(ctx)
	if err != nil {
		return err
	}
	return prepared.QueryRowContext(ctx, values...).Scan(targets...)
}
