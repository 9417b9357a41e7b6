package pgxmon_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/pgxmon"
)

// What the tracer adds to a query, without the query.
func BenchmarkTracer(b *testing.B) {
	url := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if url == "" {
		b.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	mon, err := dbmon.New(dbmon.Options{})
	require.NoError(b, err)
	defer func() { _ = mon.Close() }()
	conn, err := pgx.Connect(b.Context(), url)
	require.NoError(b, err)
	defer func() { _ = conn.Close(b.Context()) }()
	tracer := pgxmon.New(mon)
	start := pgx.TraceQueryStartData{SQL: "SELECT name FROM users WHERE id = $1", Args: []any{1}}
	end := pgx.TraceQueryEndData{CommandTag: pgconn.NewCommandTag("SELECT 1")}
	b.ReportAllocs()
	for b.Loop() {
		tracer.TraceQueryEnd(tracer.TraceQueryStart(b.Context(), conn, start), conn, end)
	}
}

func BenchmarkQuery(b *testing.B) {
	url := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if url == "" {
		b.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	mon, err := dbmon.New(dbmon.Options{})
	require.NoError(b, err)
	defer func() { _ = mon.Close() }()
	for name, tracer := range map[string]pgx.QueryTracer{"bare": nil, "watched": pgxmon.New(mon)} {
		b.Run(name, func(b *testing.B) {
			config, err := pgx.ParseConfig(url)
			require.NoError(b, err)
			config.Tracer = tracer
			conn, err := pgx.ConnectConfig(b.Context(), config)
			require.NoError(b, err)
			defer func() { _ = conn.Close(b.Context()) }()
			b.ReportAllocs()
			for b.Loop() {
				var n int
				require.NoError(b, conn.QueryRow(b.Context(), "SELECT $1::int", 7).Scan(&n))
			}
		})
	}
}
