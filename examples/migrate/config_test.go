package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTheDatabaseIsTheServersUnlessTold(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"the default", []string{"create"}, nil, "sqlite:" + filepath.Join("data", "sluice.db")},
		{"another folder", []string{"create"}, []string{"DATA_DIR", "elsewhere"}, "sqlite:" + filepath.Join("elsewhere", "sluice.db")},
		{"the server's URL", []string{"create"}, []string{"DATABASE_URL", "postgres://a@h/d", "DATA_DIR", "x"}, "postgres://a@h/d"},
		{"the flag goes first", []string{"create", "-database", "mysql://a@h/d"}, []string{"DATABASE_URL", "postgres://a@h/d"}, "mysql://a@h/d"},
		{"flags before the command", []string{"-database=sqlite:x.db", "create"}, nil, "sqlite:x.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := parseConfig(c.args, env(c.env...), t.Output())
			require.NoError(t, err)
			require.Equal(t, config{command: "create", database: c.want, wait: 10 * time.Minute}, cfg)
		})
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for _, c := range []struct {
		args  string
		fault string
	}{
		{"", "migrate: command: must be create or drop"},
		{"make", "migrate: command: must be create or drop"},
		{"create drop", "migrate: command: must be create or drop"},
		{"create -nothing", "flag provided but not defined: -nothing"},
		{"create -wait 0s", "migrate: -wait: must be like 10m"},
		{"create -wait soon", "-wait"},
		{"create -database oracle://h/d", "must be a URL of postgres://, mysql:// or sqlite: and a path"},
		{"create -database data/sluice.db", "must be a URL of postgres://, mysql:// or sqlite: and a path"},
		{"create -database sqlite:", "needs the path of a file"},
		{"create -database sqlite::memory:", "needs the path of a file"},
		{"create -database mysql://h", "is not of the form mysql://"},
		{"create -database mysql://h/d?timeout=soon", "is not of the form mysql://"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, err := run(t.Context(), strings.Fields(c.args), env(), t.Output(), t.Output())
			require.Equal(t, exitUsage, code)
			require.ErrorContains(t, err, c.fault)
		})
	}
	_, err := parseConfig([]string{"-wait", "-1s", "-database", "x"}, env(), t.Output())
	require.ErrorContains(t, err, "command")
	require.ErrorContains(t, err, "-wait", "all faults at once")
	require.ErrorContains(t, err, "-database")
}

func TestHelpIsNoFault(t *testing.T) {
	var out strings.Builder
	code, err := run(t.Context(), []string{"-h"}, env(), &out, t.Output())
	require.NoError(t, err)
	require.Equal(t, exitDone, code)
	require.Equal(t, usage, out.String())
}

func TestNoPasswordIsEverShown(t *testing.T) {
	for _, scheme := range []string{"postgres", "mysql"} {
		for _, rest := range []string{
			"://ann:secret@127.0.0.1:1/app",
			"://ann:@secret@127.0.0.1:1/app",
			"://ann:x@secret@127.0.0.1:1/app",
			"://ann:1/secret@127.0.0.1:1/app",
			"://ann:1?secret@127.0.0.1:1/app",
			"://ann:1#secret@127.0.0.1:1/app",
			"://ann:secret%zz@127.0.0.1:1/app",
			"://ann:secret@127.0.0.1:1/app?sslmode=wrong&tls=wrong",
			"://ann:secret@127.0.0.1:port/app",
			"://ann:secret@[::1/app",
			"://ann:secret",
			"://127.0.0.1:1/app?user=ann&password=secret",
			":ann:secret@127.0.0.1:1/app",
		} {
			t.Run(scheme+rest, func(t *testing.T) {
				for _, command := range []string{"create", "drop"} {
					a := migrateAt(t.Context(), scheme+rest, command)
					require.NotZero(t, a.code)
					require.NotContains(t, a.out+a.err, "secret")
					require.Contains(t, a.err, "migrate: ")
				}
			})
		}
	}
	a := migrateAt(t.Context(), "host=127.0.0.1 user=ann password=secret", "create").requireCode(t, exitUsage)
	require.NotContains(t, a.err, "secret")
}

func TestAMySQLURLIsReadWhole(t *testing.T) {
	cfg, err := mysqlConfig("mysql://ann:p%40ss%2Fw%3Ard@[::1]/app?tls=skip-verify&readTimeout=3s")
	require.NoError(t, err)
	require.Equal(t, []string{"ann", "p@ss/w:rd", "[::1]:3306", "app", "skip-verify"},
		[]string{cfg.User, cfg.Passwd, cfg.Addr, cfg.DBName, cfg.TLSConfig})
	require.Equal(t, 3*time.Second, cfg.ReadTimeout)
}

func FuzzTheURLOfADatabase(f *testing.F) {
	for _, s := range []string{"postgres://a:b@h:1/d?sslmode=disable", "mysql://a:b@h:1/d?tls=true", "sqlite:x", "mysql://", "postgres:", ":", "mysql://a:b%zz@h/d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := config{command: cmdCreate, wait: 1, database: s}.validate()
		if err != nil { // it says the same for all, and so nothing about a password
			require.Less(t, len(err.Error()), 200)
			return
		}
		if strings.HasPrefix(s, "mysql:") {
			cfg, err := mysqlConfig(s)
			require.NoError(t, err)
			require.NotEmpty(t, cfg.DBName)
		}
	})
}
