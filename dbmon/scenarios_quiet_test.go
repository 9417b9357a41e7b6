package dbmon_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sluice-go/sluice/dbmon"
)

// scriptedDB is a database that understands any statement.
func (w *world) scriptedDB() *sql.DB { return sql.OpenDB(w.mon.WrapConnector(&scripted{})) }

// locked runs f while another connection keeps everybody from reading, until
// release is called.
func (w *world) locked(f func(release func() error) error) error {
	ctx := context.Background()
	c, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	return f(func() error { _, err := c.ExecContext(ctx, "ROLLBACK"); return err })
}

// list is "?, ?, ?" and its arguments.
func list(from, n int) (marks string, args []any) {
	for i := range n {
		args = append(args, from+i)
	}
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", "), args
}

// migrations are six of a table each.
func migrations() fstest.MapFS {
	files := fstest.MapFS{}
	for i := range 6 {
		files[fmt.Sprintf("%05d_table.sql", i+1)] = &fstest.MapFile{
			Data: []byte(fmt.Sprintf("-- +goose Up\nCREATE TABLE IF NOT EXISTS made_%d (id INTEGER);\n-- +goose Down\nDROP TABLE made_%d;\n", i, i)),
		}
	}
	return files
}

// quietScenarios repeat nothing that could be asked at once. Trap d.5 lists them.
var quietScenarios = []scenario{
	{"calls of a function, which may do something", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT abs(?)", i))
			return err
		})
	}},
	{"one query", "", func(ctx context.Context, w *world) error { return current(ctx, w) }},
	{"a join", "", func(ctx context.Context, w *world) error {
		_, err := count(w.db.QueryContext(ctx, "SELECT u.name, p.title FROM users u JOIN posts p ON p.user_id = u.id"))
		return err
	}},
	{"a result that is read to its end", "", func(ctx context.Context, w *world) error {
		_, err := count(w.db.QueryContext(ctx, "SELECT * FROM events"))
		return err
	}},
	{"a loop below the threshold", "", func(ctx context.Context, w *world) error {
		return each(4, func(i int) error { _, err := name(ctx, w, i); return err })
	}},
	{"the same below the threshold", "", func(ctx context.Context, w *world) error {
		return each(4, func(int) error { _, err := name(ctx, w, 1); return err })
	}},
	{"a loop that stops early", "", func(ctx context.Context, w *world) error {
		for _, id := range users(30) {
			s, err := name(ctx, w, id)
			if err != nil || s == "user 3" {
				return err
			}
		}
		return nil
	}},
	{"two places with other arguments", "", func(ctx context.Context, w *world) error {
		err := each(4, func(i int) error { _, err := name(ctx, w, i); return err })
		return errors.Join(err, each(4, func(i int) error { _, err := name(ctx, w, 10+i); return err }))
	}},
	{"one call here and the rest of five there", "", func(ctx context.Context, w *world) error {
		_, err := name(ctx, w, 20)
		return errors.Join(err, each(4, func(i int) error { _, err := name(ctx, w, i); return err }))
	}},
	{"six places, one call each", "", func(ctx context.Context, w *world) error {
		_, e1 := name(ctx, w, 1)
		_, e2 := name(ctx, w, 2)
		_, e3 := name(ctx, w, 3)
		_, e4 := name(ctx, w, 4)
		_, e5 := name(ctx, w, 5)
		_, e6 := name(ctx, w, 6)
		return errors.Join(e1, e2, e3, e4, e5, e6)
	}},
	{"a loop over different queries", "", func(ctx context.Context, w *world) error {
		for _, table := range []string{"users", "posts", "comments", "nodes", "events", "tags"} {
			if _, err := count(w.db.QueryContext(ctx, "SELECT id FROM "+table+" WHERE id = ?", 1)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"batches of arguments", "", func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			marks, args := list(i*3, 3)
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN ("+marks+")", args...))
			return err
		})
	}},
	{"batches of which the last is short", "", func(ctx context.Context, w *world) error {
		return each(6, func(i int) error {
			marks, args := list(i*4, 7-i)
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN ("+marks+")", args...))
			return err
		})
	}},
	{"batches of literals", "", func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, fmt.Sprintf("SELECT name FROM users WHERE id IN (%d, %d)", i, i+1)))
			return err
		})
	}},
	{"batches of pairs", "", func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE (user_id, id) IN (VALUES (?, ?), (?, ?))", i, i*3, i+1, i*3+3))
			return err
		})
	}},
	{"batches behind other arguments", "", func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE status = ? AND user_id IN (?, ?)", "open", i, i+1))
			return err
		})
	}},
	{"batches as one array", "", func(ctx context.Context, w *world) error {
		return each(8, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT name FROM users WHERE id IN (SELECT value FROM json_each(?))", fmt.Sprintf("[%d,%d]", i, i+1)))
			return err
		})
	}},
	{"a batch for each level of a tree", "", func(ctx context.Context, w *world) error {
		for level := [2]int{1, 2}; level[0] < 100; level = [2]int{level[0] * 2, level[1] * 2} {
			marks, args := list(level[0], level[1])
			if _, err := count(w.db.QueryContext(ctx, "SELECT id FROM nodes WHERE parent IN ("+marks+")", args...)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"pages by OFFSET", "", func(ctx context.Context, w *world) error {
		for offset, n := 0, 10; n == 10; offset += 10 {
			var err error
			if n, err = count(w.db.QueryContext(ctx, "SELECT title FROM posts ORDER BY id LIMIT ? OFFSET ?", 10, offset)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"pages by two numbers of LIMIT", "", func(ctx context.Context, w *world) error {
		return each(9, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts ORDER BY id LIMIT ?, 10", (i-1)*10))
			return err
		})
	}},
	{"pages by the last key", "", func(ctx context.Context, w *world) error {
		for last := 0; last < 90; last += 10 {
			if _, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE id > ? ORDER BY id LIMIT 10", last)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"pages of two rows and an empty one", "", func(ctx context.Context, w *world) error {
		for last, n := 0, 2; n == 2; last += 2 {
			var err error
			if n, err = count(w.db.QueryContext(ctx, "SELECT id FROM nodes WHERE id > ? AND id < 13 ORDER BY id LIMIT 2", last)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"pages by a key of two columns", "", func(ctx context.Context, w *world) error {
		for last := 0; last < 90; last += 10 {
			if _, err := count(w.db.QueryContext(ctx, "SELECT title FROM posts WHERE (user_id, id) > (?, ?) ORDER BY user_id, id LIMIT 10", last/3, last)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"chunks by ranges of keys", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT * FROM events WHERE id BETWEEN ? AND ?", i*90, i*90+89))
			return err
		})
	}},
	{"chunks with many rows each", "", func(ctx context.Context, w *world) error {
		return each(5, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "SELECT * FROM events WHERE bucket = ?", i-1))
			return err
		})
	}},
	{"inserts", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := w.db.ExecContext(ctx, "INSERT INTO comments (post_id, body) VALUES (?, ?)", i, "x")
			return err
		})
	}},
	{"inserts that return rows", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			var id int
			return w.db.QueryRowContext(ctx, "INSERT INTO comments (post_id, body) VALUES (?, ?) RETURNING id", i, "x").Scan(&id)
		})
	}},
	{"updates and deletes", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, e1 := w.db.ExecContext(ctx, "UPDATE posts SET title = ? WHERE id = ?", "new", i)
			_, e2 := w.db.ExecContext(ctx, "DELETE FROM comments WHERE post_id = ?", i)
			return errors.Join(e1, e2)
		})
	}},
	{"transactions", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			tx, err := w.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, "UPDATE posts SET title = ? WHERE id = ?", "new", i)
			return errors.Join(err, tx.Commit())
		})
	}},
	{"savepoints", "", func(ctx context.Context, w *world) error {
		tx, err := w.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return each(10, func(int) error {
			_, e1 := tx.ExecContext(ctx, "SAVEPOINT a")
			_, e2 := tx.ExecContext(ctx, "RELEASE a")
			return errors.Join(e1, e2)
		})
	}},
	{"pings and statements that are never run", "", func(ctx context.Context, w *world) error {
		return each(10, func(int) error {
			st, err := w.db.PrepareContext(ctx, "SELECT name FROM users WHERE id = ?")
			if err != nil {
				return err
			}
			return errors.Join(st.Close(), w.db.PingContext(ctx))
		})
	}},
	{"plans", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := count(w.db.QueryContext(ctx, "EXPLAIN QUERY PLAN SELECT name FROM users WHERE id = ?", i))
			return err
		})
	}},
	{"the clock", "", func(ctx context.Context, w *world) error {
		return each(10, func(int) error { var s string; return w.db.QueryRowContext(ctx, "SELECT CURRENT_TIMESTAMP").Scan(&s) })
	}},
	{"the last id after inserts", "", func(ctx context.Context, w *world) error {
		c, err := w.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		return each(10, func(int) error {
			_, err := c.ExecContext(ctx, "INSERT INTO comments (body) VALUES ('x')")
			var id int
			return errors.Join(err, c.QueryRowContext(ctx, "SELECT last_insert_rowid()").Scan(&id))
		})
	}},
	{"the same read after each write", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			_, err := w.db.ExecContext(ctx, "UPDATE accounts SET balance = balance + ? WHERE id = 1", i)
			var n int
			return errors.Join(err, w.db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 1").Scan(&n))
		})
	}},
	{"an optimistic write that is repeated", "", func(ctx context.Context, w *world) error {
		return each(8, func(int) error {
			var version int
			if err := w.db.QueryRowContext(ctx, "SELECT version FROM accounts WHERE id = ?", 1).Scan(&version); err != nil {
				return err
			}
			_, err := w.db.ExecContext(ctx, "UPDATE accounts SET balance = 1 WHERE id = ? AND version = ?", 1, -1)
			return err
		})
	}},
	{"a read that is repeated because the database is locked", "", func(ctx context.Context, w *world) error {
		return w.locked(func(release func() error) error {
			for i := range 8 {
				if i == 6 {
					if err := release(); err != nil {
						return err
					}
				}
				if err := current(ctx, w); (err == nil) != (i >= 6) {
					return fmt.Errorf("attempt %d: %w", i, err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		})
	}},
	{"reads of a transaction that is repeated", "", func(ctx context.Context, w *world) error {
		return each(8, func(int) error {
			tx, err := w.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			for id := range 3 {
				var s string
				if err := tx.QueryRowContext(ctx, "SELECT name FROM users WHERE id = ?", id+1).Scan(&s); err != nil {
					return err
				}
			}
			return nil // a conflict that the application found
		})
	}},
	{"reads that are repeated because a write failed", "", func(ctx context.Context, w *world) error {
		return each(8, func(int) error {
			if err := current(ctx, w); err != nil {
				return err
			}
			if _, err := w.db.ExecContext(ctx, "INSERT INTO users (id) VALUES (1)"); err == nil {
				return errors.New("there were two")
			}
			return nil
		})
	}},
	{"queries that fail", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			if _, err := count(w.db.QueryContext(ctx, "SELECT no_column FROM users WHERE id = ?", i)); err == nil {
				return errors.New("there is such a column")
			}
			return nil
		})
	}},
	{"a caller who is gone", "", func(ctx context.Context, w *world) error {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return each(10, func(i int) error {
			if _, err := name(ctx, w, i); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
	}},
	{"workers that poll with SKIP LOCKED", "", func(ctx context.Context, w *world) error {
		db := w.scriptedDB()
		defer db.Close()
		return each(10, func(i int) error {
			_, err := count(db.QueryContext(ctx, "SELECT id FROM jobs WHERE queue = $1 LIMIT 1 FOR UPDATE SKIP LOCKED /* rows 1 */", i))
			return err
		})
	}},
	{"reads that lock", "", func(ctx context.Context, w *world) error {
		db := w.scriptedDB()
		defer db.Close()
		return each(10, func(i int) error {
			_, err := count(db.QueryContext(ctx, "SELECT balance FROM accounts WHERE id = $1 FOR UPDATE /* rows 1 */", i))
			return err
		})
	}},
	{"batches with ANY", "", func(ctx context.Context, w *world) error {
		db := w.scriptedDB()
		defer db.Close()
		return each(10, func(i int) error {
			_, err := count(db.QueryContext(ctx, "SELECT name FROM users WHERE id = ANY($1) /* rows 2 */", fmt.Sprintf("{%d,%d}", i, i+1)))
			return err
		})
	}},
	{"numbers of a sequence", "", func(ctx context.Context, w *world) error {
		db := w.scriptedDB()
		defer db.Close()
		return each(10, func(int) error {
			_, err := count(db.QueryContext(ctx, "SELECT nextval('ids') /* rows 1 */"))
			return err
		})
	}},
	{"somebody who polls with pauses", "", func(ctx context.Context, w *world) error {
		return each(10, func(int) error { time.Sleep(2 * time.Second); return current(ctx, w) })
	}},
	{"a stream with a look-up now and then", "", func(ctx context.Context, w *world) error {
		return each(20, func(i int) error { time.Sleep(5 * time.Second); _, err := name(ctx, w, i); return err })
	}},
	{"each of several databases once", "", func(ctx context.Context, w *world) error {
		return each(6, func(i int) error {
			db := w.scriptedDB()
			defer db.Close()
			_, err := count(db.QueryContext(ctx, "SELECT name FROM users WHERE id = $1 /* rows 1 */", i))
			return err
		})
	}},
	{"background work without a scope", "", func(_ context.Context, w *world) error {
		done := make(chan error)
		go func() {
			done <- each(10, func(i int) error { _, err := name(context.Background(), w, i); return err })
		}()
		return <-done
	}},
	{"work after the response", "", func(ctx context.Context, w *world) error {
		w.after = func() error {
			return each(10, func(i int) error { _, err := name(context.WithoutCancel(ctx), w, i); return err })
		}
		return nil
	}},
	{"work that began before the response and ends after it", "", func(ctx context.Context, w *world) error {
		err := each(3, func(i int) error { _, err := name(ctx, w, i); return err })
		w.after = func() error { return each(3, func(i int) error { _, err := name(ctx, w, 10+i); return err }) }
		return err
	}},
	{"a scope for each job", "", func(ctx context.Context, w *world) error {
		return each(10, func(i int) error {
			ctx, end := dbmon.Scope(ctx)
			defer end()
			_, err := name(ctx, w, i)
			return err
		})
	}},
	{"fixtures without a scope", "", func(_ context.Context, w *world) error {
		return each(10, func(i int) error {
			n, err := count(w.db.Query("SELECT id FROM tags WHERE name = ?", fmt.Sprint("fixture ", i)))
			if err == nil && n == 0 {
				_, err = w.db.Exec("INSERT INTO tags (name) VALUES (?)", fmt.Sprint("fixture ", i))
			}
			return err
		})
	}},
	{"a look into the catalog for each table", "", func(ctx context.Context, w *world) error {
		for _, table := range []string{"users", "posts", "comments", "nodes", "events", "tags"} {
			_, e1 := count(w.db.QueryContext(ctx, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", table))
			_, e2 := count(w.db.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", table))
			if err := errors.Join(e1, e2); err != nil {
				return err
			}
		}
		return nil
	}},
	{"migrations of goose", "", func(ctx context.Context, w *world) error {
		p, err := goose.NewProvider(goose.DialectSQLite3, w.db, migrations())
		if err != nil {
			return err
		}
		if _, err = p.Up(ctx); err == nil {
			_, err = p.Status(ctx)
		}
		if err == nil {
			_, err = p.DownTo(ctx, 0)
		}
		return err
	}},
}
