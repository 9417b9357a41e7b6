package health_test

import (
	"database/sql"
	"net/url"
	"os"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// postgres is a pool of connections to a real server.
func postgres(t *testing.T) *sql.DB {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestPostgresIsHealthy(t *testing.T) {
	db := postgres(t)
	db.SetMaxOpenConns(1)
	for range 3 {
		requireHealthy(t, timed(t, health.SQL(db), 5*time.Second))
		requireHealthy(t, timed(t, health.SQLWith(db, health.SQLOptions{Query: "SELECT * FROM pg_class"}), 5*time.Second))
		err := timed(t, health.SQLWith(db, health.SQLOptions{Query: "SELECT * FROM nothing"}), 5*time.Second)
		requireVerdict(t, err, health.StatusUnhealthy, health.ReasonOther)
	}
	require.Equal(t, 1, db.Stats().OpenConnections)
}

// Trap 22 with a real driver.
func TestPostgresBehindAFullPoolIsDegraded(t *testing.T) {
	db := postgres(t)
	db.SetMaxOpenConns(2)
	held := take(t, db, 2)
	check := health.SQLWith(db, health.SQLOptions{StuckAfter: 200 * time.Millisecond})
	requireVerdict(t, timed(t, check, 200*time.Millisecond), health.StatusDegraded, health.ReasonPoolSaturated)
	requireVerdict(t, timed(t, check, 200*time.Millisecond), health.StatusUnhealthy, health.ReasonPoolStuck)
	free(held)
	requireHealthy(t, timed(t, check, 5*time.Second))
}

func TestPostgresWhoseBackendsHaveEndedIsHealthy(t *testing.T) {
	for name, o := range map[string]health.SQLOptions{"pinged": {}, "queried": {Query: "SELECT 1"}} {
		t.Run(name, func(t *testing.T) {
			admin, db := postgres(t), postgres(t)
			db.SetMaxIdleConns(5)
			// The driver pings by itself what it has not handed out lately.
			free(take(t, db, 5))
			conns, pids := take(t, db, 5), make([]int, 5)
			for i, c := range conns {
				require.NoError(t, c.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pids[i]))
			}
			for _, wait := range []int{0, 5000} { // all at once, then until they have gone
				for _, pid := range pids {
					_, err := admin.ExecContext(t.Context(), "SELECT pg_terminate_backend($1, $2)", pid, wait)
					require.NoError(t, err)
				}
			}
			free(conns)
			requireHealthy(t, timed(t, health.SQLWith(db, o), 5*time.Second))
		})
	}
}

func TestPostgresRefusesAnUnknownUser(t *testing.T) {
	postgres(t)
	server, err := url.Parse(os.Getenv("SLUICE_TEST_POSTGRES_URL"))
	require.NoError(t, err)
	server.User = url.UserPassword("nobody_of_sluice", "s3cret")
	db, err := sql.Open("pgx", server.String())
	require.NoError(t, err)
	defer db.Close()
	err = timed(t, health.SQL(db), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonAuth)
	require.NotContains(t, err.Error(), "s3cret")
}

func TestPostgresThatOnlyReadsSaysSo(t *testing.T) {
	db := postgres(t)
	check := health.SQLWith(db, health.SQLOptions{Query: "UPDATE pg_class SET relname = relname WHERE false"})
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), "SET default_transaction_read_only = on") // as a standby is
	require.NoError(t, err)
	requireVerdict(t, timed(t, check, 5*time.Second), health.StatusUnhealthy, health.ReasonReadOnly)
}

func TestPostgresCutsALongStatementShort(t *testing.T) {
	db := postgres(t)
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(t.Context(), "SET statement_timeout = 10")
	require.NoError(t, err)
	check := health.SQLWith(db, health.SQLOptions{Query: "SELECT pg_sleep(5)"})
	requireVerdict(t, timed(t, check, 20*time.Second), health.StatusUnhealthy, health.ReasonTimeout)
	_, err = db.ExecContext(t.Context(), "SET statement_timeout = 0")
	require.NoError(t, err)
	requireVerdict(t, timed(t, check, 300*time.Millisecond), health.StatusUnhealthy, health.ReasonTimeout)
}
