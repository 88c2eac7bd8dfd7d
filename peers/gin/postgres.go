package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres has no pool when no database is set.
type postgres struct {
	pool *pgxpool.Pool
	// perRequest is how a connection is opened for one request; nil if /tasks uses the pool.
	perRequest *pgx.ConnConfig
}

// querier is what a pool and a single connection have in common.
type querier interface {
	Query(ctx context.Context, sql string, values ...any) (pgx.Rows, error)
}

func newPostgres(conf settings) *postgres {
	if conf.postgres == nil {
		return &postgres{}
	}
	// Opens nothing yet; its only error is a configuration that was not parsed.
	pool, _ := pgxpool.NewWithConfig(context.Background(), conf.postgres)
	if conf.perRequest {
		return &postgres{pool, conf.postgres.ConnConfig}
	}
	return &postgres{pool, nil}
}

func (p *postgres) close() {
	if p.pool != nil {
		p.pool.Close()
	}
}

// withTasks lends the pool, or a connection that is opened for this request and then closed. Of
// those there is no limit but the database's own.
func withTasks[T any](
	ctx context.Context, p *postgres, work func(querier) ([]T, error),
) ([]T, error) {
	switch {
	case p.pool == nil:
		return nil, notSet("APP_DATABASE_URL")
	case p.perRequest == nil:
		return work(p.pool)
	}
	conn, err := pgx.ConnectConfig(ctx, p.perRequest)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	return work(conn)
}

// collect reads all rows into structs, whose fields are in the order of the columns.
func collect[T any](ctx context.Context, from querier, sql string, values ...any) ([]T, error) {
	rows, err := from.Query(ctx, sql, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
