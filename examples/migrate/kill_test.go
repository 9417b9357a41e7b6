package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is the command as a process of its own, which can be killed.
type process struct {
	*exec.Cmd
	out bytes.Buffer
}

func (p place) start(t *testing.T, args ...string) *process {
	t.Helper()
	c := &process{Cmd: exec.Command(os.Args[0], append(args, "-database", p.url)...)}
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdout, c.Stderr = &c.out, &c.out
	require.NoError(t, c.Start())
	return c
}

// fill makes enough rows for a build to take a while.
func (p place) fill(t *testing.T, rows int) {
	t.Helper()
	numbers := map[string]string{
		onSQLite:   "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g",
		onPostgres: "SELECT generate_series(1, %d) AS n",
		onMySQL:    "SELECT seq AS n FROM seq_1_to_%d",
	}[p.system]
	at := map[string]string{onSQLite: "n", onPostgres: "timestamptz '2026-01-01' + n * interval '1 s'", onMySQL: "'2026-01-01' + INTERVAL n SECOND"}[p.system]
	rest, values := ", updated_at, version", ", "+at+", 1"
	if p.system == onMySQL {
		rest, values = "", ""
	}
	concat := "'u' || n % 1000"
	if p.system == onMySQL {
		concat = "concat('u', n % 1000)"
	}
	p.exec(t, fmt.Sprintf("INSERT INTO messages (username, type, body, created_at%s) SELECT %s, 'text', 'body', %s%s FROM (%s) numbers",
		rest, concat, at, values, fmt.Sprintf(numbers, rows)))
}

// Sheet g: six parallel runs, with SIGKILL in between, always converge to the 14
// indexes, and no deadlock is reported.
func TestKilledRunsInParallelConverge(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.fill(t, map[string]int{onSQLite: 8000, onPostgres: 40000, onMySQL: 40000}[p.system])
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		for round := range 4 {
			command := []string{"create", "create", "create", "drop"}[random.IntN(4)]
			for _, out := range p.killSix(t, command, random) {
				requireNoConflict(t, out)
			}
			if round == 1 {
				p.converge(t)
			}
		}
		p.converge(t)
		require.Equal(t, made(), p.indexes(t))
		p.migrate(t, "drop").requireCode(t, exitDone)
		require.Empty(t, p.indexes(t), "all of it is known as the command's own")
	})
}

// killSix starts six runs and kills each after a random time.
func (p place) killSix(t *testing.T, command string, random *rand.Rand) (outputs []string) {
	t.Helper()
	var six sync.WaitGroup
	runs := make([]*process, 6)
	for i := range runs {
		runs[i] = p.start(t, command)
		after := time.Duration(random.IntN(600)) * time.Millisecond
		six.Go(func() {
			timer := time.AfterFunc(after, func() { _ = runs[i].Process.Kill() })
			_ = runs[i].Wait()
			timer.Stop()
		})
	}
	six.Wait()
	for _, r := range runs {
		outputs = append(outputs, r.out.String())
	}
	return outputs
}

// converge runs six at once that nobody kills.
func (p place) converge(t *testing.T) {
	t.Helper()
	var runs []*process
	for range 6 {
		runs = append(runs, p.start(t, "create"))
	}
	for _, r := range runs {
		require.NoError(t, r.Wait(), "%s", &r.out)
		requireNoConflict(t, r.out.String())
		require.Contains(t, r.out.String(), "create: 14 of 14 indexes are there")
	}
	p.requireAll(t)
}

func requireNoConflict(t *testing.T, out string) {
	t.Helper()
	for _, word := range []string{"deadlock", "failed:", "refused:", "panic", "goroutine"} {
		require.NotContains(t, strings.ToLower(out), word)
	}
}

// A first signal stops a build that has to wait, and leaves nothing; what was
// made before stays.
func TestASignalStopsABuildAndCleansUp(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.fill(t, 10)
		release := p.occupy(t)
		run := p.start(t, "create")
		require.Eventually(t, func() bool { return p.waiting(t) }, 20*time.Second, 20*time.Millisecond)
		require.NoError(t, run.Process.Signal(syscall.SIGTERM))
		_ = run.Wait()
		require.Equal(t, exitStopped, run.ProcessState.ExitCode(), "%s", &run.out)
		require.Contains(t, run.out.String(), "migrate: stopped; run it again")
		for _, name := range p.indexes(t) {
			require.Contains(t, made(), name)
		}
		release()
		p.migrate(t, "create").requireCode(t, exitDone)
		p.requireAll(t)
	})
}

// occupy lets a transaction stand in the way of a build: one that has written,
// or for PostgreSQL one that has only read, and that another table.
func (p place) occupy(t *testing.T) (release func()) {
	t.Helper()
	tx, err := p.db.BeginTx(t.Context(), &sql.TxOptions{Isolation: map[string]sql.IsolationLevel{onPostgres: sql.LevelRepeatableRead}[p.system]})
	require.NoError(t, err)
	statement := "UPDATE messages SET body = 'changed' WHERE id = 1"
	if p.system == onPostgres {
		statement = "SELECT count(*) FROM users"
	}
	_, err = tx.Exec(statement)
	require.NoError(t, err)
	return func() { require.NoError(t, tx.Rollback()) }
}

// waiting reports whether a run of the command waits in the database.
func (p place) waiting(t *testing.T) (is bool) {
	t.Helper()
	switch p.system {
	case onPostgres:
		require.NoError(t, p.db.QueryRow("SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%' AND datname = current_database())").Scan(&is))
	case onMySQL:
		require.NoError(t, p.db.QueryRow("SELECT count(*) > 0 FROM information_schema.processlist WHERE db = database() AND state LIKE 'Waiting for table metadata lock'").Scan(&is))
	default:
		is = p.sqliteTried(t)
	}
	return is
}
