package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres has no pool if no database is set.
type postgres struct {
	pool *pgxpool.Pool
	// perRequest opens one connection per request; nil if /tasks uses the pool.
	perRequest *pgx.ConnConfig
}

// querier is a pool or a single connection.
type querier interface {
	Query(ctx context.Context, sql string, values ...any) (pgx.Rows, error)
}

func newPostgres(conf settings) *postgres {
	if conf.postgres == nil {
		return &postgres{}
	}
	// Opens no connection yet; its only error is a configuration that ParseConfig did not create.
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

// withTasks lends the pool, or opens a connection for this request and closes it. Only the database
// limits the number of these connections.
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

// collect reads all rows into structs, with fields in the order of the columns.
func collect[T any](ctx context.Context, from querier, sql string, values ...any) ([]T, error) {
	rows, err := from.Query(ctx, sql, values...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
