package dbmon_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
)

// Trap d.4, from end to end: whatever is turned on, no value of a query is in
// anything that a monitor shows.
func TestNoValueLeavesByAnyWay(t *testing.T) {
	const secret = "tr0ub4dor"
	log := new(logged)
	var hooks strings.Builder
	var mu sync.Mutex
	tell := func(v any) { mu.Lock(); defer mu.Unlock(); fmt.Fprintf(&hooks, "%+v\n", v) }
	planned := make(chan struct{}, 64)
	mon, err := dbmon.New(dbmon.Options{
		SlowQuery:         1,
		DescribeArguments: true,
		LeakAfter:         time.Millisecond,
		NPlusOne:          dbmon.NPlusOneOptions{Header: true},
		Explain:           dbmon.ExplainOptions{Enable: true, OnPlan: func(p dbmon.Plan) { tell(p); planned <- struct{}{} }},
		OnSlowQuery:       func(_ context.Context, q dbmon.Query) { q.Err = nil; tell(q) }, // the error is the driver's
		OnNPlusOne:        func(_ context.Context, r dbmon.Repetition) { tell(r) },
		OnLeak:            func(l dbmon.Leak) { tell(l) },
		Logger:            log.logger(),
	})
	require.NoError(t, err)
	db, err := mon.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE users (name TEXT UNIQUE, password TEXT DEFAULT '" + secret + "')")
	require.NoError(t, err)

	server := httptest.NewServer(mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, done := dbmon.Track(r.Context(), "secrets")
		defer done()
		for i := range 8 {
			for _, text := range []string{
				"INSERT INTO users (name) VALUES ('" + secret + "%d')",
				"INSERT INTO users (name) VALUES ('" + secret + "%d') -- " + secret, // a unique violation
				"SELECT * FROM users WHERE name = '" + secret + "%d' OR password = ?",
				"SELECT /* " + secret + " */ \"" + secret + "%d\" FROM users",
				"SELECT * FROM users WHERE name = '" + secret + "%d", // and no end of it
				"UPDATE users SET password = '" + secret + "%d' WHERE name = ?",
				"PRAGMA key = '" + secret + "%d'",
				"ATTACH '" + secret + "%d' AS",
				"SELECT x'" + fmt.Sprintf("%x", secret) + "' || '%d', 0x7472307562, '" + secret + "' FROM users LIMIT 1",
			} {
				rows, err := db.QueryContext(ctx, fmt.Sprintf(text, i), []any{secret, []byte(secret)}[:strings.Count(text, "?")]...)
				if err == nil {
					for rows.Next() {
						continue
					}
					_ = rows.Close()
				}
			}
		}
	})))
	res, err := http.Get(server.URL + "/?q=1")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	select { // a file that is being written to may have no plan
	case <-planned:
	case <-time.After(3 * time.Second):
	}

	admin := httptest.NewServer(mon.StatsHandler())
	var pages strings.Builder
	for _, query := range []string{"", "?format=json", "?limit=1000"} {
		page, err := http.Get(admin.URL + query)
		require.NoError(t, err)
		_, err = io.Copy(&pages, page.Body)
		require.NoError(t, err)
		require.NoError(t, page.Body.Close())
	}
	server.Close()
	admin.Close()
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, db.Close())
	require.NoError(t, mon.Close())

	require.Contains(t, log.String(), "dbmon: slow query")
	require.Contains(t, pages.String(), "SELECT * FROM users WHERE name = ?")
	require.Contains(t, hooks.String(), "Text:SELECT")
	for what, text := range map[string]string{
		"the log": log.String(), "hooks": hooks.String(), "pages": pages.String(),
		"totals": fmt.Sprintf("%+v", mon.Totals()), "header": fmt.Sprint(res.Header),
	} {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), "7472307562"} {
			at := strings.Index(text, form)
			require.Negative(t, at, "%s: %s", what, text[max(0, at-80):min(len(text), max(0, at)+80)])
		}
	}
}
