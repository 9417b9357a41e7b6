package orms

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/glebarez/sqlite"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
	"xorm.io/xorm"
	"xorm.io/xorm/core"
	"xorm.io/xorm/dialects"
	"xorm.io/xorm/schemas"

	"github.com/sluice-go/sluice/dbmon"
)

// User and Post are in the forms of all four.
type User struct {
	ID    int64   `bun:"id,pk,autoincrement" db:"id" xorm:"pk 'id'"`
	Name  string  `db:"name"`
	Posts []*Post `bun:"rel:has-many,join:id=user_id" xorm:"-"`
}

type Post struct {
	ID     int64  `bun:"id,pk,autoincrement" db:"id" xorm:"pk 'id'"`
	UserID int64  `db:"user_id" xorm:"'user_id'"`
	Title  string `db:"title"`
}

func (User) TableName() string { return "users" }
func (Post) TableName() string { return "posts" }

// world is a database with 12 users, who have two posts each, and what the four
// make of it.
type world struct {
	gorm *gorm.DB
	bun  *bun.DB
	sqlx *sqlx.DB
	xorm *xorm.Engine

	mu    sync.Mutex
	found []dbmon.Repetition
}

func newWorld(t *testing.T) *world {
	w := new(world)
	mon, err := dbmon.New(dbmon.Options{
		Dialect: dbmon.SQLite,
		Logger:  slog.New(slog.DiscardHandler),
		OnNPlusOne: func(_ context.Context, r dbmon.Repetition) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.found = append(w.found, r)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mon.Close()) })
	db, err := mon.Open(sqlite.DriverName, filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	seed(t, db)
	w.gorm, err = gorm.Open(&sqlite.Dialector{Conn: db}, &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	w.bun = bun.NewDB(db, sqlitedialect.New())
	w.sqlx = sqlx.NewDb(db, "sqlite")
	dialect := dialects.QueryDialect(schemas.SQLITE)
	require.NoError(t, dialect.Init(&dialects.URI{DBType: schemas.SQLITE}))
	w.xorm, err = xorm.NewEngineWithDialectAndDB("sqlite3", "", dialect, core.FromDB(db))
	require.NoError(t, err)
	return w
}

func seed(t *testing.T, db *sql.DB) {
	for _, text := range []string{
		"CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, user_id INTEGER, title TEXT)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12) INSERT INTO users SELECT i, 'user ' || i FROM n",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 24) INSERT INTO posts SELECT i, (i + 1) / 2, 'post ' || i FROM n",
	} {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
}

func each(f func(id int64) error) error {
	for id := range int64(12) {
		if err := f(id + 1); err != nil {
			return err
		}
	}
	return nil
}

// Trap d.5: frames of ORMs are skipped.
func TestRepetitionsAreFoundThroughMappers(t *testing.T) {
	for _, tt := range []struct {
		name string
		want dbmon.RepetitionKind
		run  func(ctx context.Context, w *world) error
	}{
		{"GORM: a record for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			return each(func(id int64) error { return w.gorm.WithContext(ctx).First(&User{}, id).Error })
		}},
		{"GORM: an association for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			var users []User
			if err := w.gorm.WithContext(ctx).Find(&users).Error; err != nil {
				return err
			}
			for i := range users {
				if err := w.gorm.WithContext(ctx).Model(&users[i]).Association("Posts").Find(&users[i].Posts); err != nil {
					return err
				}
			}
			return nil
		}},
		{"GORM: preloaded", "", func(ctx context.Context, w *world) error {
			var users []User
			return w.gorm.WithContext(ctx).Preload("Posts").Find(&users).Error
		}},
		{"GORM: in batches", "", func(ctx context.Context, w *world) error {
			var users []User
			return w.gorm.WithContext(ctx).FindInBatches(&users, 2, func(*gorm.DB, int) error { return nil }).Error
		}},
		{"GORM: migrated", "", func(ctx context.Context, w *world) error {
			return w.gorm.WithContext(ctx).AutoMigrate(&User{}, &Post{})
		}},
		{"GORM: the same", dbmon.Duplicate, func(ctx context.Context, w *world) error {
			return each(func(int64) error { return w.gorm.WithContext(ctx).First(&User{}, 1).Error })
		}},
		{"Bun: a record for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			return each(func(id int64) error { return w.bun.NewSelect().Model(&User{}).Where("id = ?", id).Scan(ctx) })
		}},
		{"Bun: a relation", "", func(ctx context.Context, w *world) error {
			var users []User
			return w.bun.NewSelect().Model(&users).Relation("Posts").Scan(ctx)
		}},
		{"Bun: batches", "", func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				var posts []Post
				return w.bun.NewSelect().Model(&posts).Where("user_id IN (?)", bun.List([]int64{id, id + 1})).Scan(ctx)
			})
		}},
		{"sqlx: a record for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				var p []Post
				return w.sqlx.SelectContext(ctx, &p, "SELECT * FROM posts WHERE user_id = ?", id)
			})
		}},
		{"sqlx: names", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				rows, err := w.sqlx.NamedQueryContext(ctx, "SELECT * FROM posts WHERE user_id = :user_id", Post{UserID: id})
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
				}
				return rows.Err()
			})
		}},
		{"sqlx: batches", "", func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				query, args, err := sqlx.In("SELECT * FROM posts WHERE user_id IN (?)", []int64{id, id + 1})
				if err != nil {
					return err
				}
				var p []Post
				return w.sqlx.SelectContext(ctx, &p, query, args...)
			})
		}},
		{"XORM: a record for each", dbmon.NPlusOne, func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				_, err := w.xorm.Context(ctx).ID(id).Get(&User{})
				return err
			})
		}},
		{"XORM: batches", "", func(ctx context.Context, w *world) error {
			return each(func(id int64) error {
				var posts []Post
				return w.xorm.Context(ctx).In("user_id", id, id+1).Find(&posts)
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			ctx, end := dbmon.Scope(t.Context())
			require.NoError(t, tt.run(ctx, w))
			end()
			if tt.want == "" {
				require.Empty(t, w.found)
				return
			}
			require.Len(t, w.found, 1)
			require.Equal(t, tt.want, w.found[0].Kind)
			require.Equal(t, 12, w.found[0].Count)
			require.Regexp(t, `^orms/orms_test\.go:\d+ `, w.found[0].CallSite)
		})
	}
}
