package dbmon_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
)

// scenario is a program that repeats a query, or seems to.
type scenario struct {
	name    string
	want    dbmon.RepetitionKind // empty: nothing
	program func(ctx context.Context, w *world) error
}

// world is what a program has: a database of 30 users, who have 3 posts each, of
// which each has 3 comments; nodes of a tree; and 1000 events.
type world struct {
	db    *sql.DB
	mon   *dbmon.Monitor
	after func() error // is called when the scope is over

	mu    sync.Mutex
	found []dbmon.Repetition
}

func (w *world) told(_ context.Context, r dbmon.Repetition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = append(w.found, r)
}

// run runs a program in a scope and returns what was reported.
func (w *world) run(p func(ctx context.Context, w *world) error) ([]dbmon.Repetition, error) {
	w.found, w.after = nil, nil
	ctx, end := dbmon.Scope(context.Background())
	err := p(ctx, w)
	end()
	if err == nil && w.after != nil {
		err = w.after()
	}
	return w.found, err
}

const schema = `
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, parent INTEGER, joined TEXT);
CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT, status TEXT);
CREATE TABLE comments (id INTEGER PRIMARY KEY, post_id INTEGER, body TEXT);
CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent INTEGER);
CREATE TABLE events (id INTEGER PRIMARY KEY, bucket INTEGER, day TEXT);
CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER, version INTEGER);
CREATE VIEW authors AS SELECT * FROM users;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
	INSERT INTO users SELECT i, 'user ' || i, i - 1, '2026-01-' || printf('%02d', i) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
	INSERT INTO posts SELECT i, (i - 1) / 3 + 1, 'post ' || i, CASE i % 2 WHEN 0 THEN 'open' ELSE 'done' END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 270)
	INSERT INTO comments SELECT i, (i - 1) / 3 + 1, 'comment ' || i FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 15)
	INSERT INTO nodes SELECT i, i / 2 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
	INSERT INTO events SELECT i, i / 200, '2026-01-' || printf('%02d', i % 28 + 1) FROM n;
INSERT INTO accounts VALUES (1, 100, 1);
`

// seeded is a database file with the schema.
var seeded = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "dbmon")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "seed.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, err
	}
	if _, err := db.Exec(schema); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// newWorld must be called within the bubble in which it is used.
func newWorld(t *testing.T, seed []byte, o dbmon.Options) *world {
	w := new(world)
	o.OnNPlusOne = w.told
	o.Logger = slog.New(slog.DiscardHandler)
	var err error
	w.mon, err = dbmon.New(o)
	require.NoError(t, err)
	w.db = w.open(t, seed)
	return w
}

// open opens one more database under the monitor of the world.
func (w *world) open(t *testing.T, seed []byte) *sql.DB {
	file := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	db, err := w.mon.Open("sqlite", file)
	require.NoError(t, err)
	return db
}

func (w *world) close(t *testing.T) {
	require.NoError(t, w.db.Close())
	require.NoError(t, w.mon.Close())
}

// The labelled set: the first run of each program, and one with what the monitor
// has learned from those before.
func TestRepetitionsAreFoundWithPrecisionAndRecallOfOne(t *testing.T) {
	seed, err := seeded()
	require.NoError(t, err)
	all := append(append(append([]scenario{}, repeatedScenarios...), duplicateScenarios...), quietScenarios...)
	require.GreaterOrEqual(t, len(all), 60)
	var score score
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed, dbmon.Options{})
				defer w.close(t)
				for range 2 {
					found, err := w.run(s.program)
					require.NoError(t, err)
					score.judge(t, s, found)
				}
			})
		})
	}
	t.Logf("%d scenarios: %s", len(all), &score)
	require.Zero(t, score.falseAlarms, "precision")
	require.Zero(t, score.missed, "recall")
	require.Positive(t, score.found)
}

// score counts verdicts.
type score struct{ found, missed, falseAlarms int }

func (c *score) judge(t *testing.T, s scenario, found []dbmon.Repetition) {
	right := false
	for _, r := range found {
		if r.Kind != s.want {
			c.falseAlarms++
			t.Errorf("reported as %q: %+v", r.Kind, r)
			continue
		}
		right = true
		if !strings.Contains(r.CallSite, "_test.go:") {
			t.Errorf("no call-site: %+v", r)
		}
	}
	switch {
	case s.want != "" && !right:
		c.missed++
		t.Errorf("no %q was reported", s.want)
	case right:
		c.found++
	}
}

func (c *score) String() string {
	return fmt.Sprintf("precision %.1f %%, recall %.1f %%",
		100*float64(c.found)/float64(c.found+c.falseAlarms), 100*float64(c.found)/float64(c.found+c.missed))
}
