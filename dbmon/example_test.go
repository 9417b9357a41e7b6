package dbmon_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice"
	"github.com/sluice-go/sluice/dbmon"
)

// people opens a database with people in it.
func people(mon *dbmon.Monitor) (db *sql.DB, end func()) {
	dir := sluice.Must(os.MkdirTemp("", "dbmon"))
	db = sluice.Must(mon.Open("sqlite", filepath.Join(dir, "people.db")))
	sluice.Must(db.Exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, team INTEGER)"))
	for i, name := range []string{"Ada", "Bob", "Cem", "Dot", "Eva"} {
		sluice.Must(db.Exec("INSERT INTO people (name, team) VALUES (?, ?)", name, i%2))
	}
	return db, func() { _, _ = db.Close(), os.RemoveAll(dir) }
}

func Example() {
	mon := sluice.Must(dbmon.New(dbmon.Options{
		SlowQuery: 50 * time.Millisecond,
		OnSlowQuery: func(_ context.Context, q dbmon.Query) {
			if q.Operation == "SELECT" {
				fmt.Println(q.Operation, q.Text, q.Outcome, q.Rows)
			}
		},
		Logger: slog.New(slog.DiscardHandler),
	}))
	defer mon.Close()
	db, end := people(mon)
	defer end()

	var n int
	err := db.QueryRow(`WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000)
		SELECT count(*) FROM numbers -- slow`).Scan(&n)
	fmt.Println(n, err)
	// Output:
	// SELECT WITH RECURSIVE numbers(n) AS (SELECT ? UNION ALL SELECT n + ? FROM numbers WHERE n < ?) SELECT count(*) FROM numbers ok 1
	// 1000000 <nil>
}

// A handler that asks for each of many is found, with its place.
func ExampleMonitor_Middleware() {
	mon := sluice.Must(dbmon.New(dbmon.Options{
		OnNPlusOne: func(_ context.Context, r dbmon.Repetition) {
			fmt.Println(r.Kind, r.Count, r.Route, r.Text)
		},
		Logger: slog.New(slog.DiscardHandler),
	}))
	defer mon.Close()
	db, end := people(mon)
	defer end()

	mux := http.NewServeMux()
	mux.Handle("GET /people", mon.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for id := range 5 {
			var name string
			_ = db.QueryRowContext(r.Context(), "SELECT name FROM people WHERE id = ?", id+1).Scan(&name)
			fmt.Fprintln(w, name)
		}
	})))
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/people", nil))
	// Output:
	// n+1 5 GET /people SELECT name FROM people WHERE id = ?
}

func ExampleTrack() {
	mon := sluice.Must(dbmon.New(dbmon.Options{}))
	defer mon.Close()
	db, end := people(mon)
	defer end()

	fetch := func(ctx context.Context) {
		ctx, done := dbmon.Track(ctx, "fetch_people")
		defer done()
		rows := sluice.Must(db.QueryContext(ctx, "SELECT name FROM people WHERE team = ?", 1))
		defer rows.Close()
		for rows.Next() {
			continue
		}
	}
	fetch(context.Background())
	for _, b := range mon.Blocks() {
		fmt.Println(b.Name, b.Queries, b.Rows)
	}
	// Output:
	// fetch_people 1 2
}

func ExampleMonitor_Statistics() {
	mon := sluice.Must(dbmon.New(dbmon.Options{}))
	defer mon.Close()
	_, end := people(mon)
	defer end()
	for _, q := range mon.Statistics().Queries {
		if q.Operation == "INSERT" {
			fmt.Println(q.ID, q.Calls, q.Text)
		}
	}
	// Output:
	// ceda469551817a41 5 INSERT INTO people (name, team) VALUES (?, ?)
}
