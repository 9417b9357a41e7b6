package dbmon

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"sync"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// each is how many statements there are of a kind, and how many a worker makes
// within one unit of work, such as a request: each of them once.
const each = 50

const (
	one     = ", one client"
	sixteen = ", 16 clients at the same time"
)

const (
	execs    = "Exec"
	single   = "QueryRow and Scan"
	many     = "Query of 100 rows"
	prepared = "Exec of a prepared statement"
)

// programs are what a database is used for. The path tells which one is wanted.
var programs = []struct {
	name, path string
	run        func(*app, *worker) error
}{
	{execs, "/exec", (*app).exec},
	{single, "/single", (*app).single},
	{many, "/many", (*app).many},
	{prepared, "/prepared", (*app).prepared},
}

func cases() (all []harness.Case) {
	for _, p := range programs {
		all = append(all,
			harness.Case{Name: p.name + one, Method: "GET", Target: p.path},
			harness.Case{Name: p.name + sixteen, Method: "GET", Target: p.path, Clients: 16})
	}
	return all
}

// Statements have 110 bytes each, and another table.
var updates, selects, lists = texts("UPDATE %s SET status = ?, updated_at = CURRENT_TIMESTAMP WHERE id = ?", ""),
	texts("SELECT id, name FROM %s WHERE id = ?", ""),
	texts("SELECT id, name FROM %s WHERE status = ?", manySuffix)

const textBytes = 110

func texts(format, suffix string) (all [each]string) {
	for i := range all {
		text := fmt.Sprintf(format, fmt.Sprintf("things_of_kind_%c%c", 'a'+i/10, 'a'+i%10)) + " AND "
		for len(text)+len(suffix)+len(" IS NULL") < textBytes {
			text += "x"
		}
		all[i] = text + " IS NULL" + suffix
	}
	return all
}

var (
	twoArguments = []any{"open", int64(42)}
	oneArgument  = []any{int64(42)}
)

// app is an application with a database.
type app struct {
	db       *sql.DB
	begin    func(context.Context) (context.Context, func()) // a unit of work, or nil
	prepares [each]*sql.Stmt
	workers  sync.Pool
}

// worker is a goroutine of the application.
type worker struct {
	ctx  context.Context // of the unit of work
	end  func()
	next int // statement

	id   int64
	name string
}

func newApp(db *sql.DB, begin func(context.Context) (context.Context, func())) (*app, error) {
	db.SetMaxIdleConns(32) // as many as there are clients, or they would be opened anew
	a := &app{db: db, begin: begin}
	a.workers.New = func() any { return &worker{next: each - 1, end: func() {}} }
	for i, text := range updates {
		var err error
		if a.prepares[i], err = db.PrepareContext(context.Background(), text); err != nil { //nolint:sqlclosecheck // it is used until the end
			return nil, err
		}
	}
	return a, nil
}

type valueKey int

// turn goes on to the next statement. A unit of work that has had all of them
// ends, and another one begins. Its context has some values of others on it, and
// cannot be cancelled: database/sql starts a goroutine for each query of one that
// can, which costs more than all that is compared here.
func (a *app) turn(k *worker) int {
	if k.next++; k.next == each {
		k.next = 0
		k.end()
		ctx := context.Background()
		if a.begin != nil {
			ctx, k.end = a.begin(ctx)
		}
		for i := range valueKey(3) {
			ctx = context.WithValue(ctx, i, "value")
		}
		k.ctx = ctx
	}
	return k.next
}

// ServeHTTP runs a program once.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for i := range programs {
		if p := &programs[i]; p.path == r.URL.Path {
			k := a.workers.Get().(*worker)
			err := p.run(a, k)
			a.workers.Put(k)
			if err != nil {
				panic(err)
			}
			_, _ = w.Write(done)
			return
		}
	}
}

var done = []byte("done")

func (a *app) exec(k *worker) error {
	i := a.turn(k)
	_, err := a.db.ExecContext(k.ctx, updates[i], twoArguments...)
	return err
}

func (a *app) prepared(k *worker) error {
	i := a.turn(k)
	_, err := a.prepares[i].ExecContext(k.ctx, twoArguments...)
	return err
}

func (a *app) single(k *worker) error {
	i := a.turn(k)
	return a.db.QueryRowContext(k.ctx, selects[i], oneArgument...).Scan(&k.id, &k.name)
}

func (a *app) many(k *worker) error {
	i := a.turn(k)
	rows, err := a.db.QueryContext(k.ctx, lists[i], oneArgument...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		if err := rows.Scan(&k.id, &k.name); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil || n == manyRows {
		return err
	}
	return fmt.Errorf("%d rows", n)
}
