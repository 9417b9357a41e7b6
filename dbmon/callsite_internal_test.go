package dbmon

import (
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// asCall stands for the frames between an application and [sites.here].
func asCall(c *sites) *site { return func() *site { return func() *site { return c.here() }() }() }

func TestASiteIsTheLineOfTheApplication(t *testing.T) {
	s := newSite()
	require.Regexp(t, `^$|^dbmon/callsite_internal_test\.go:\d+ dbmon\.`, s.String())
	text := func() string { return func() string { return callSite() }() }()
	require.Regexp(t, `^dbmon/callsite_internal_test\.go:\d+ dbmon\.TestASiteIsTheLineOfTheApplication`, text)
	require.Empty(t, (*site)(nil).String())
	require.Empty(t, new(site).String())
}

// Paths are of modules, never of the machine.
func TestASiteDoesNotShowWhereItWasBuilt(t *testing.T) {
	_, file, _, _ := runtime.Caller(0)
	dir := strings.TrimSuffix(file, "/dbmon/callsite_internal_test.go")
	s := asCall(new(sites))
	require.NotEmpty(t, s.lines)
	for _, l := range s.lines {
		require.NotContains(t, l, dir)
	}
}

func TestTheSameStackIsTheSameSite(t *testing.T) {
	c := new(sites)
	var all []*site
	for range 3 {
		all = append(all, asCall(c))
	}
	require.Same(t, all[0], all[1])
	require.Same(t, all[0], all[2])
	other := asCall(c)
	require.NotEqual(t, all[0].id, other.id)
	require.Zero(t, testing.AllocsPerRun(100, func() { asCall(c) }))
}

func down(c *sites, depth int, at map[uint64]bool) {
	at[asCall(c).id] = true
	if depth > 0 {
		down(c, depth-1, at)
	}
}

func branch(c *sites, depth int, at map[uint64]bool) {
	at[asCall(c).id] = true
	if depth == 0 {
		return
	}
	branch(c, depth-1, at)
	if depth%2 == 0 {
		branch(c, depth-1, at)
	}
}

func ping(c *sites, depth int, at map[uint64]bool) {
	at[asCall(c).id] = true
	if depth > 0 {
		pong(c, depth-1, at)
	}
}

func pong(c *sites, depth int, at map[uint64]bool) {
	sort.Search(1, func(int) bool { ping(c, depth, at); return true })
}

// Recursion must not make each depth a site.
func TestRecursionIsFewSites(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(c *sites, depth int, at map[uint64]bool)
	}{{"along a list", down}, {"over a tree", branch}, {"by way of another function", ping}} {
		for _, depth := range []int{5, 12, 14} {
			at := map[uint64]bool{}
			tt.run(new(sites), depth, at)
			require.LessOrEqual(t, len(at), 3, "%s, %d deep", tt.name, depth)
		}
	}
	at := map[uint64]bool{}
	down(new(sites), 5000, at)
	require.LessOrEqual(t, len(at), 3)
}

func TestWhoseCodeAFunctionIs(t *testing.T) {
	for _, tt := range []struct {
		function, file string
		want           origin
	}{
		{"example.com/shop/store.(*Users).Load", "/home/me/shop/store/users.go", ofApplication},
		{"main.run", "/home/me/shop/main.go", ofApplication},
		{"shop/store.Load", "/home/me/shop/store/users.go", ofApplication},
		{"plugin/store.Load", "/home/me/plugin/store/users.go", ofApplication},
		{"database/sql.(*DB).QueryContext", "/usr/local/go/src/database/sql/sql.go", ofSystem},
		{"database/sql.(*DB).QueryContext", "database/sql/sql.go", ofSystem},
		{"database/sql.(*DB).QueryContext", `C:\go\src\database\sql\sql.go`, ofSystem},
		{"runtime.goexit", "/usr/local/go/src/runtime/asm_amd64.s", ofSystem},
		{"vendor/golang.org/x/net/http2.f", "/usr/local/go/src/vendor/golang.org/x/net/http2/a.go", ofSystem},
		{"github.com/sluice-go/sluice/dbmon.(*call).look", "/x/dbmon/call.go", ofSystem},
		{"github.com/sluice-go/sluice/dbmon/pgxmon.(*Tracer).TraceQueryStart", "/x/dbmon/pgxmon/tracer.go", ofSystem},
		{"github.com/sluice-go/sluice/internal/reqinfo.(*Entry).Next", "/x/internal/reqinfo/entry.go", ofSystem},
		{"github.com/sluice-go/sluicer.F", "/x/sluicer/a.go", ofApplication},
		{"github.com/sluice-go/sluice/dbmon_test.TestX", "/x/dbmon/x_test.go", ofApplication},
		{"github.com/sluice-go/sluice/examples/server/sqlstore.Load", "/x/sqlstore/store.go", ofApplication},
		{"github.com/jackc/pgx/v5.(*Conn).Query", "/m/github.com/jackc/pgx/v5@v5.12.0/conn.go", ofLibrary},
		{"gorm.io/gorm.(*DB).First", "/m/gorm.io/gorm@v1/finisher_api.go", ofLibrary},
		{"gorm.io/gorm/migrator.Migrator.AutoMigrate", "/m/gorm.io/gorm@v1/migrator/migrator.go", ofMigrations},
		{"github.com/uptrace/bun.(*SelectQuery).Scan", "/m/bun/query_select.go", ofLibrary},
		{"github.com/uptrace/bun/migrate.(*Migrator).Migrate", "/m/bun/migrate/migrator.go", ofMigrations},
		{"github.com/pressly/goose/v3.(*Provider).Up", "/m/goose/provider.go", ofMigrations},
		{"github.com/jmoiron/sqlx.GetContext", "/m/sqlx/sqlx_context.go", ofLibrary},
		{"entgo.io/ent/dialect/sql.Driver.Query", "/m/ent/dialect/sql/driver.go", ofLibrary},
		{"example.com/shop/ent.(*UserQuery).All", "/home/me/shop/ent/user_query.go", ofLibrary},
		{"example.com/shop/db.(*Queries).GetUser", "/home/me/shop/db/users.sql.go", ofLibrary},
		{"example.com/shop/db.Connect", "/home/me/shop/db/connect.go", ofApplication},
		{"xorm.io/xorm.(*Session).Get", "/m/xorm/session_get.go", ofLibrary},
	} {
		require.Equal(t, tt.want, originOf(tt.function, tt.file), tt.function)
	}
}

func TestFunctionsAreSplitFromTheirPackages(t *testing.T) {
	for _, tt := range []struct{ function, pkg, name string }{
		{"main.main", "main", "main"},
		{"example.com/a/b.(*T).M", "example.com/a/b", "(*T).M"},
		{"example.com/a/b.F[...]", "example.com/a/b", "F[...]"},
		{"example.com/a/b.F[example.com/c/d.T]", "example.com/a/b", "F[example.com/c/d.T]"},
		{"gopkg.in/yaml%2ev3.F", "gopkg.in/yaml%2ev3", "F"},
		{"", "", ""},
		{"strange", "strange", ""},
	} {
		pkg, name := splitFunction(tt.function)
		require.Equal(t, [2]string{tt.pkg, tt.name}, [2]string{pkg, name})
	}
	require.Equal(t, "store/users.go:42 store.(*Users).Load",
		line(runtime.Frame{Function: "example.com/shop/store.(*Users).Load", File: "/home/me/shop/store/users.go", Line: 42}))
	require.Equal(t, "main.go:7 main.run", line(runtime.Frame{Function: "main.run", File: `C:\Users\me\main.go`, Line: 7}))
}

// Everything is bounded: stacks too.
func TestSitesAreForgottenOnceThereAreTooMany(t *testing.T) {
	c := new(sites)
	for i := range uint64(5 * maxSites) {
		c.keep(i, new(site))
		require.LessOrEqual(t, len(c.byStack), maxSites)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { asCall(c) })
	}
	wg.Wait()
}
