package dbmon_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/sluice-go/sluice/dbmon"
)

// users are the ids of the first n users.
func users(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i + 1
	}
	return ids
}

// name is the usual function that asks for one thing.
func name(ctx context.Context, w *world, id int) (s string, err error) {
	err = w.db.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", id).Scan(&s)
	return s, err
}

// count reads all rows of a query.
func count(rows *sql.Rows, err error) (n int, _ error) {
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

func each(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i + 1); err != nil {
			return err
		}
	}
	return nil
}

// user is a record that loads what belongs to it when it is asked.
type user struct {
	ctx context.Context
	w   *world
	id  int
}

type named interface{ Name() (string, error) }

func (u user) Name() (string, error) { return name(u.ctx, u.w, u.id) }

func (u user) String() string {
	s, err := u.Name()
	if err != nil {
		return err.Error()
	}
	return s
}

func (u user) MarshalJSON() ([]byte, error) {
	s, err := u.Name()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// Posts is for templates.
func (u user) Posts() (int, error) {
	return count(u.w.db.QueryContext(u.ctx, "SELECT id, title FROM posts WHERE user_id = ?", u.id))
}

func records(ctx context.Context, w *world, n int) []user {
	var all []user
	for _, id := range users(n) {
		all = append(all, user{ctx, w, id})
	}
	return all
}

// repository has a promoted method.
type repository struct{ loader }

type loader struct{ w *world }

func (l loader) load(ctx context.Context, id int) error {
	_, err := name(ctx, l.w, id)
	return err
}

func loadAny[T ~int | ~int64](ctx context.Context, w *world, id T) (s string, err error) {
	err = w.db.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", id).Scan(&s)
	return s, err
}

type store[T any] struct{ w *world }

func (s store[T]) get(ctx context.Context, id int) (v T, err error) {
	err = s.w.db.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", id).Scan(&v)
	return v, err
}

func ancestors(ctx context.Context, w *world, id int) error {
	if id == 0 {
		return nil
	}
	var parent int
	if err := w.db.QueryRowContext(ctx, "SELECT parent FROM users WHERE id = ?", id).Scan(&parent); err != nil {
		return err
	}
	return ancestors(ctx, w, parent)
}

func walk(ctx context.Context, w *world, id int) error {
	rows, err := w.db.QueryContext(ctx, "SELECT id FROM nodes WHERE parent = ?", id)
	if err != nil {
		return err
	}
	defer rows.Close()
	var children []int
	for rows.Next() {
		var child int
		if err := rows.Scan(&child); err != nil {
			return err
		}
		children = append(children, child)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for i, child := range children {
		if i == 0 {
			err = walk(ctx, w, child)
		} else {
			err = errors.Join(err, walk(ctx, w, child))
		}
	}
	return err
}

func even(ctx context.Context, w *world, n int) error {
	if n == 0 {
		return nil
	}
	if _, err := name(ctx, w, n); err != nil {
		return err
	}
	return odder(ctx, w, n-1)
}

func odder(ctx context.Context, w *world, n int) error {
	if n == 0 {
		return nil
	}
	return even(ctx, w, n-1)
}

func names(ctx context.Context, w *world, ids []int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(name(ctx, w, id)) {
				return
			}
		}
	}
}

// asking is a sql.Scanner that asks the database itself.
type asking struct {
	ctx context.Context
	w   *world
}

func (a *asking) Scan(v any) error {
	_, err := name(a.ctx, a.w, int(v.(int64)))
	return err
}

// group is what errgroup does.
type group struct {
	wg   sync.WaitGroup
	once sync.Once
	err  error
}

func (g *group) Go(f func() error) {
	g.wg.Go(func() {
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err })
		}
	})
}

func (g *group) Wait() error { g.wg.Wait(); return g.err }

// repeatedScenarios are N+1.
var repeatedScenarios = []scenario{
	{"a loop with QueryRow", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for _, id := range users(10) {
			var s string
			if err := w.db.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", id).Scan(&s); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a loop with Query", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for _, id := range users(10) {
			if _, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE user_id = ?", id)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a loop of exactly the threshold", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(5, func(i int) error { _, err := name(ctx, w, i); return err })
	}},
	{"a loop that is longer than calls are looked at one by one", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(200, func(i int) error { _, err := name(ctx, w, i%30+1); return err })
	}},
	{"a query for each row of an open result", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		rows, err := w.db.QueryContext(ctx, "SELECT id FROM users LIMIT 8")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				return err
			}
			if _, err := name(ctx, w, id); err != nil {
				return err
			}
		}
		return rows.Err()
	}},
	{"nested loops", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for _, id := range users(3) {
			for post := range 3 {
				if _, err := count(w.db.QueryContext(ctx, "SELECT body FROM comments WHERE post_id = ?", id*3+post)); err != nil {
					return err
				}
			}
		}
		return nil
	}},
	{"a loop backwards with goto", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		i := 7
	again:
		if _, err := name(ctx, w, i); err != nil {
			return err
		}
		if i--; i > 0 {
			goto again
		}
		return nil
	}},
	{"lazy loading through an interface", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		var all []named
		for _, u := range records(ctx, w, 10) {
			all = append(all, u)
		}
		for _, n := range all {
			if _, err := n.Name(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a call through another function", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error { _, err := name(ctx, w, i); return err })
	}},
	{"a call through a promoted method", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		r := repository{loader{w}}
		return each(10, func(i int) error { return r.load(ctx, i) })
	}},
	{"a closure", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		load := func(id int) error { _, err := name(ctx, w, id); return err }
		for _, id := range users(10) {
			if err := load(id); err != nil {
				return err
			}
		}
		return nil
	}},
	{"closures that are called later", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		var later []func() error
		for _, id := range users(10) {
			later = append(later, func() error { _, err := name(ctx, w, id); return err })
		}
		for _, f := range later {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a method value", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		load := loader{w}.load
		return each(10, func(i int) error { return load(ctx, i) })
	}},
	{"a method expression", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error { return loader.load(loader{w}, ctx, i) })
	}},
	{"a function from a map", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		by := map[string]func(context.Context, *world, int) (string, error){"name": name}
		return each(10, func(i int) error { _, err := by["name"](ctx, w, i); return err })
	}},
	{"a generic function", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error { _, err := loadAny(ctx, w, int64(i)); return err })
	}},
	{"a method of a generic type", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		s := store[string]{w}
		return each(10, func(i int) error { _, err := s.get(ctx, i); return err })
	}},
	{"goroutines, one for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		var wg sync.WaitGroup
		errs := make([]error, 10)
		for i := range errs {
			wg.Go(func() { _, errs[i] = name(ctx, w, i+1) })
		}
		wg.Wait()
		return errors.Join(errs...)
	}},
	{"goroutines of a group", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		var g group
		for _, id := range users(10) {
			g.Go(func() error { _, err := name(ctx, w, id); return err })
		}
		return g.Wait()
	}},
	{"workers that share a channel", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		jobs := make(chan int)
		var g group
		for range 3 {
			g.Go(func() (err error) {
				for id := range jobs {
					_, e := name(ctx, w, id)
					err = errors.Join(err, e)
				}
				return err
			})
		}
		for _, id := range users(12) {
			jobs <- id
		}
		close(jobs)
		return g.Wait()
	}},
	{"a prepared statement", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		st, err := w.db.PrepareContext(ctx, "SELECT name FROM users WHERE id = ?")
		if err != nil {
			return err
		}
		defer st.Close()
		return each(10, func(i int) error { var s string; return st.QueryRowContext(ctx, i).Scan(&s) })
	}},
	{"a statement that is prepared each time", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			st, err := w.db.PrepareContext(ctx, "SELECT name FROM users WHERE id = ?")
			if err != nil {
				return err
			}
			defer st.Close()
			var s string
			return st.QueryRowContext(ctx, i).Scan(&s)
		})
	}},
	{"statements with another literal each that are prepared", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			st, err := w.db.PrepareContext(ctx, "SELECT name FROM users WHERE id = "+strconv.Itoa(i))
			if err != nil {
				return err
			}
			defer st.Close()
			var s string
			return st.QueryRowContext(ctx).Scan(&s)
		})
	}},
	{"within a transaction", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		tx, err := w.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := each(10, func(i int) error {
			var s string
			return tx.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", i).Scan(&s)
		}); err != nil {
			return err
		}
		return tx.Commit()
	}},
	{"a transaction for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			tx, err := w.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var s string
			if err := tx.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", i).Scan(&s); err != nil {
				return err
			}
			return tx.Commit()
		})
	}},
	{"a prepared statement within a transaction", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		tx, err := w.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		st, err := tx.PrepareContext(ctx, "SELECT name FROM users WHERE id = ?")
		if err != nil {
			return err
		}
		return each(10, func(i int) error { var s string; return st.QueryRowContext(ctx, i).Scan(&s) })
	}},
	{"on a connection", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		c, err := w.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return each(10, func(i int) error {
			var s string
			return c.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", i).Scan(&s)
		})
	}},
	{"nothing is found", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			if _, err := name(ctx, w, 1000+i); !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("found one: %w", err)
			}
			return nil
		})
	}},
	{"a question whether each exists", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			var yes bool
			return w.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM posts WHERE user_id = ?)", i).Scan(&yes)
		})
	}},
	{"a count for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			var n int
			return w.db.QueryRowContext(ctx, "SELECT count(*) FROM posts WHERE user_id = ?", i).Scan(&n)
		})
	}},
	{"recursion along a list", dbmon.NPlusOne, func(ctx context.Context, w *world) error { return ancestors(ctx, w, 5) }},
	{"recursion deeper than what is captured", dbmon.NPlusOne, func(ctx context.Context, w *world) error { return ancestors(ctx, w, 30) }},
	{"recursion over a tree", dbmon.NPlusOne, func(ctx context.Context, w *world) error { return walk(ctx, w, 0) }},
	{"functions that call each other", dbmon.NPlusOne, func(ctx context.Context, w *world) error { return even(ctx, w, 16) }},
	{"range over a function", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for _, err := range names(ctx, w, users(10)) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"a query in the body of a range over a function", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for id := range slices.Values(users(10)) {
			if _, err := name(ctx, w, id); err != nil {
				return err
			}
		}
		return nil
	}},
	{"an iterator that is pulled", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		next, stop := iter.Pull2(names(ctx, w, users(10)))
		defer stop()
		for {
			_, err, more := next()
			if !more || err != nil {
				return err
			}
		}
	}},
	{"a callback of the standard library", dbmon.NPlusOne, func(ctx context.Context, w *world) (err error) {
		ids := users(10)
		slices.SortFunc(ids, func(a, b int) int {
			x, e1 := name(ctx, w, a)
			y, e2 := name(ctx, w, b)
			err = errors.Join(err, e1, e2)
			return strings.Compare(x, y)
		})
		return err
	}},
	{"a page that asks while it is rendered", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		page := htmltemplate.Must(htmltemplate.New("").Parse("{{range .}}<li>{{.Name}}</li>{{end}}"))
		return page.Execute(io.Discard, records(ctx, w, 10))
	}},
	{"a function of a template", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		funcs := template.FuncMap{"user": func(id int) (string, error) { return name(ctx, w, id) }}
		page := template.Must(template.New("").Funcs(funcs).Parse("{{range .}}{{user .}}{{end}}"))
		return page.Execute(io.Discard, users(10))
	}},
	{"several rows for each, in a page", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		page := htmltemplate.Must(htmltemplate.New("").Parse("{{range .}}<li>{{.Posts}}</li>{{end}}"))
		return page.Execute(io.Discard, records(ctx, w, 10))
	}},
	{"JSON that asks while it is made", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		_, err := json.Marshal(records(ctx, w, 10))
		return err
	}},
	{"JSON that asks at different depths", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		var v any
		for _, u := range records(ctx, w, 10) {
			v = []any{u, v}
		}
		_, err := json.Marshal(v)
		return err
	}},
	{"a Stringer", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		_, err := fmt.Fprint(io.Discard, records(ctx, w, 10))
		return err
	}},
	{"a Scanner", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		rows, err := w.db.QueryContext(ctx, "SELECT id FROM users LIMIT 8")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&asking{ctx, w}); err != nil {
				return err
			}
		}
		return rows.Err()
	}},
	{"deferred calls", dbmon.NPlusOne, func(ctx context.Context, w *world) (err error) {
		for _, id := range users(10) {
			defer func() { _, e := name(ctx, w, id); err = errors.Join(err, e) }()
		}
		return nil
	}},
	{"panics that are recovered", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) (err error) {
			defer func() { _ = recover() }()
			if _, err := name(ctx, w, i); err != nil {
				return err
			}
			panic("on")
		})
	}},
	{"lists of one value after one of many", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		if _, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (?, ?, ?)", 1, 2, 3)); err != nil {
			return err
		}
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (?)", i))
			return err
		})
	}},
	{"lists of one value", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (?)", i))
			return err
		})
	}},
	{"arrays of one value", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (SELECT value FROM json_each(?))", fmt.Sprintf("[%d]", i)))
			return err
		})
	}},
	{"a list of literals that stays, and another user", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT id FROM posts WHERE user_id = ? AND status IN ('open', 'done')", i))
			return err
		})
	}},
	{"a list of arguments that stays, and another user", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT id FROM posts WHERE user_id = ? AND status IN (?, ?)", i, "open", "done"))
			return err
		})
	}},
	{"a list that stays and a literal that does not", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, fmt.Sprintf("SELECT id FROM posts WHERE user_id = %d AND status IN ('open', 'done')", i)))
			return err
		})
	}},
	{"another literal each time", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, fmt.Sprintf("SELECT name FROM users WHERE id = %d", i)))
			return err
		})
	}},
	{"another comment and other blanks each time", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, fmt.Sprintf("SELECT  name FROM users /* request %d */ WHERE id=?", i), i))
			return err
		})
	}},
	{"arguments of all types", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		for _, v := range []any{1, int64(2), "3", 4.0, []byte("5"), true, nil, time.Unix(0, 0)} {
			if _, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id = ?", v)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"arguments with names", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id = :id", sql.Named("id", i)))
			return err
		})
	}},
	{"few different arguments in turn", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(12, func(i int) error { _, err := name(ctx, w, i%3+1); return err })
	}},
	{"keys of a map", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		ids := map[int]bool{}
		for _, id := range users(10) {
			ids[id] = true
		}
		for id := range maps.Keys(ids) {
			if _, err := name(ctx, w, id); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the latest of each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT id FROM posts WHERE user_id = ? ORDER BY id DESC LIMIT 1", i))
			return err
		})
	}},
	{"the one before for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT id FROM posts WHERE user_id = ? AND id < ? ORDER BY id DESC LIMIT 1", i, i*3))
			return err
		})
	}},
	{"a count for each day", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(7, func(i int) error {
			var n int
			return w.db.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE day >= ? AND day < ?",
				fmt.Sprintf("2026-01-%02d", i), fmt.Sprintf("2026-01-%02d", i+1)).Scan(&n)
		})
	}},
	{"many rows for each, but no page and no range", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT id FROM events WHERE day = ?", fmt.Sprintf("2026-01-%02d", i)))
			return err
		})
	}},
	{"a look before each insert", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			tag := "tag " + strconv.Itoa(i)
			n, err := count(w.db.QueryContext(ctx, "SELECT id FROM tags WHERE name = ?", tag))
			if err == nil && n == 0 {
				_, err = w.db.ExecContext(ctx, "INSERT INTO tags (name) VALUES (?)", tag)
			}
			return err
		})
	}},
	{"a view", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM authors WHERE id = ?", i))
			return err
		})
	}},
	{"a common table expression", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "WITH p AS (SELECT * FROM posts WHERE user_id = ?) SELECT title FROM p", i))
			return err
		})
	}},
	{"a union", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id = ? UNION SELECT title FROM posts WHERE user_id = ?", i, i))
			return err
		})
	}},
	{"a time limit for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := name(ctx, w, i)
			return err
		})
	}},
	{"work between the calls", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			time.Sleep(300 * time.Millisecond)
			_, err := name(ctx, w, i)
			return err
		})
	}},
	{"some of the calls fail", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(12, func(i int) error {
			ctx, cancel := context.WithCancel(ctx)
			if i%4 == 0 {
				cancel()
			}
			defer cancel()
			if _, err := name(ctx, w, i); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
	}},
	{"within blocks", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			ctx, done := dbmon.Track(ctx, "load")
			defer done()
			_, err := name(ctx, w, i)
			return err
		})
	}},
	{"two queries in a loop", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			if _, err := name(ctx, w, i); err != nil {
				return err
			}
			_, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE user_id = ?", i))
			return err
		})
	}},
	{"a loop among single calls from elsewhere", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		_, e1 := name(ctx, w, 20)
		_, e2 := name(ctx, w, 21)
		err := each(5, func(i int) error { _, err := name(ctx, w, i); return err })
		_, e3 := name(ctx, w, 22)
		return errors.Join(e1, e2, err, e3)
	}},
	{"a burst after single calls with pauses", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
		return each(12, func(i int) error {
			if i < 4 || i > 9 {
				time.Sleep(time.Minute)
			}
			_, err := name(ctx, w, i)
			return err
		})
	}},
}

// current is what many functions ask for.
func current(ctx context.Context, w *world) error { _, err := name(ctx, w, 1); return err }

// duplicateScenarios ask what they know.
var duplicateScenarios = []scenario{
	{"the same in a loop", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		return each(10, func(int) error { _, err := name(ctx, w, 1); return err })
	}},
	{"the same from many functions", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		authenticate := func() error { return current(ctx, w) }
		authorize := func() error { return current(ctx, w) }
		err := errors.Join(authenticate(), authorize(), current(ctx, w))
		err = errors.Join(err, current(ctx, w))
		return errors.Join(err, current(ctx, w))
	}},
	{"settings without an argument", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		return each(10, func(int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM tags"))
			return err
		})
	}},
	{"the same from goroutines", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		var g group
		for range 10 {
			g.Go(func() error { return current(ctx, w) })
		}
		return g.Wait()
	}},
	{"the same by a prepared statement", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		st, err := w.db.PrepareContext(ctx, "SELECT name FROM users WHERE id = ?")
		if err != nil {
			return err
		}
		defer st.Close()
		return each(10, func(int) error { var s string; return st.QueryRowContext(ctx, 1).Scan(&s) })
	}},
	{"the same literal", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		return each(10, func(int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id = 1"))
			return err
		})
	}},
	{"the same batch", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		return each(10, func(int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (?, ?, ?)", 1, 2, 3))
			return err
		})
	}},
	{"the same for each item in a page", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		page := template.Must(template.New("").Funcs(template.FuncMap{"me": func() (string, error) { return name(ctx, w, 1) }}).
			Parse("{{range .}}{{me}}{{end}}"))
		return page.Execute(io.Discard, users(10))
	}},
	{"the same more often than calls are looked at", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		return each(200, func(int) error { _, err := name(ctx, w, 1); return err })
	}},
	{"the same, and then a write", dbmon.Duplicate, func(ctx context.Context, w *world) error {
		err := each(6, func(int) error { _, err := name(ctx, w, 1); return err })
		if err == nil {
			_, err = w.db.ExecContext(ctx, "UPDATE users SET name = ? WHERE id = ?", "new", 1)
		}
		return errors.Join(err, current(ctx, w))
	}},
}
