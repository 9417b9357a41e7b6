package health_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/health"
)

// timed runs a check as a checker does, with a deadline.
func timed(t *testing.T, f health.Func, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return f(ctx)
}

// requireVerdict is about what callers see of an error.
func requireVerdict(t *testing.T, err error, status, reason string) {
	t.Helper()
	gotStatus, gotReason := health.Judge(err)
	require.Equal(t, []string{status, reason}, []string{gotStatus, gotReason}, "%v", err)
}

func requireHealthy(t *testing.T, err error) {
	t.Helper()
	requireVerdict(t, err, health.StatusHealthy, "")
}

// take holds n connections.
func take(t *testing.T, db *sql.DB, n int) []*sql.Conn {
	t.Helper()
	conns := make([]*sql.Conn, n)
	for i := range conns {
		var err error
		conns[i], err = db.Conn(t.Context())
		require.NoError(t, err)
	}
	return conns
}

func free(conns []*sql.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

type sqlState string

func (s sqlState) Error() string    { return "state " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

func TestARealDatabaseIsHealthy(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+t.TempDir()+"/a.db")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), "CREATE TABLE things (id)")
	require.NoError(t, err)

	ping := health.SQL(db)
	query := health.SQLWith(db, health.SQLOptions{Query: "SELECT id FROM things"})
	wrong := health.SQLWith(db, health.SQLOptions{Query: "SELECT id FROM nothing"})
	for range 3 { // rows that stay open would hold the only connection
		requireHealthy(t, timed(t, ping, time.Second))
		requireHealthy(t, timed(t, query, time.Second))
		requireVerdict(t, timed(t, wrong, time.Second), health.StatusUnhealthy, health.ReasonOther)
	}
	facts, err := health.Run(t.Context(), ping)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"open": 1, "in_use": 0, "idle": 1, "max_open": 1, "wait_count": int64(0)}, facts)
}

// Trap 21: the caller's own pool is used.
func TestACheckOpensNoConnectionsOfItsOwn(t *testing.T) {
	server := &fakeDB{}
	check := health.SQL(server.open(t))
	for range 10 {
		requireHealthy(t, timed(t, check, time.Second))
	}
	opened, closed := server.counts()
	require.Equal(t, []int{1, 0}, []int{opened, closed})
}

// Trap 22: a driver without driver.Pinger answers Ping without a round trip.
func TestADriverWithoutPingIsQueried(t *testing.T) {
	dead := sqlState("57P03")
	server := &fakeDB{noPing: true}
	db := server.open(t)
	requireHealthy(t, timed(t, health.SQL(db), time.Second))
	require.Equal(t, []string{"SELECT 1"}, server.queries)

	server.answer = func(context.Context) error { return dead }
	require.NoError(t, db.PingContext(t.Context()), "this is the trap")
	requireVerdict(t, timed(t, health.SQL(db), time.Second), health.StatusUnhealthy, health.ReasonStarting)

	server.queries = nil
	_ = timed(t, health.SQLWith(db, health.SQLOptions{Query: "SELECT 2"}), time.Second)
	require.Equal(t, []string{"SELECT 2"}, server.queries)
}

// A restarted server is no outage: what it left in the pool is replaced.
func TestARestartedServerIsHealthy(t *testing.T) {
	for name, server := range map[string]*fakeDB{
		"whose driver knows":           {},
		"whose driver has no ping":     {noPing: true},
		"whose connections say EOF":    {broken: io.EOF},
		"whose connections say why":    {broken: sqlState("57P01")},
		"without ping, with a goodbye": {broken: sqlState("57P02"), noPing: true},
	} {
		t.Run(name, func(t *testing.T) {
			db := server.open(t)
			db.SetMaxIdleConns(8)
			free(take(t, db, 8))
			server.restart()
			requireHealthy(t, timed(t, health.SQL(db), time.Second))
			opened, closed := server.counts()
			require.Equal(t, []int{9, 8}, []int{opened, closed}, "each once")
		})
	}
}

func TestABrokenServerIsNotDialledForEver(t *testing.T) {
	server := &fakeDB{answer: func(context.Context) error { return io.EOF }}
	db := server.open(t)
	requireVerdict(t, timed(t, health.SQL(db), time.Second), health.StatusUnhealthy, health.ReasonRefused)
	opened, closed := server.counts()
	require.LessOrEqual(t, opened, 2)
	require.Equal(t, opened, closed)
}

func TestADatabaseThatHangsIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, result := range map[string]error{
			"plain": context.DeadlineExceeded, "as a bad connection": io.EOF, "in words": errors.New("interrupted"),
		} {
			server := &fakeDB{answer: func(ctx context.Context) error { <-ctx.Done(); return result }}
			begin := time.Now()
			requireVerdict(t, timed(t, health.SQL(server.open(t)), 2*time.Second), health.StatusUnhealthy, health.ReasonTimeout)
			require.Equal(t, 2*time.Second, time.Since(begin), name)
		}
	})
}

func TestARefusedConnectionIsUnhealthy(t *testing.T) {
	server := &fakeDB{dial: func(context.Context) error { return sqlState("28P01") }}
	requireVerdict(t, timed(t, health.SQL(server.open(t)), time.Second), health.StatusUnhealthy, health.ReasonAuth)
}

// Trap 17: a panic is passed on, and takes no connection with it.
func TestAPanicOfTheDriverIsPassedOn(t *testing.T) {
	server := &fakeDB{answer: func(context.Context) error { panic("odd") }}
	db := server.open(t)
	db.SetMaxOpenConns(1)
	for range 3 {
		require.PanicsWithValue(t, "odd", func() { _ = timed(t, health.SQL(db), time.Second) })
	}
	require.Zero(t, db.Stats().InUse)
}

func TestAPanicWhileQueueingIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := false
		server := &fakeDB{dial: func(context.Context) error {
			if boom {
				panic("odd")
			}
			return nil
		}}
		db := server.open(t)
		db.SetMaxOpenConns(1)
		held := take(t, db, 1)
		check := health.SQL(db)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		boom = true
		db.SetMaxIdleConns(-1)
		free(held)
		require.PanicsWithValue(t, "odd", func() { _ = timed(t, check, 2*time.Second) })
		_ = db.Close()
	})
}

func TestACheckWithoutADatabaseSaysSo(t *testing.T) {
	require.ErrorContains(t, health.SQL(nil)(t.Context()), "no database")
}

func TestAClosedPoolIsUnhealthy(t *testing.T) {
	db := (&fakeDB{}).open(t)
	require.NoError(t, db.Close())
	err := timed(t, health.SQL(db), time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonOther)
	require.False(t, errors.Is(err, context.DeadlineExceeded))
}
