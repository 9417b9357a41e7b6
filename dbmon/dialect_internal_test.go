package dbmon

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"
)

type strange struct{}

func (strange) Open(string) (driver.Conn, error) { return nil, driver.ErrBadConn }

func TestTheDialectIsThatOfTheDriversPackage(t *testing.T) {
	for d, want := range map[driver.Driver]Dialect{
		&sqlite.Driver{}:                  SQLite,
		&mysql.MySQLDriver{}:              MySQL,
		mysql.MySQLDriver{}:               MySQL,
		stdlib.GetDefaultDriver():         PostgreSQL,
		strange{}:                         DialectOfDriver,
		&strange{}:                        DialectOfDriver,
		wrapDriver(nil, &sqlite.Driver{}): SQLite,
	} {
		require.Equal(t, want, dialectOf(d), "%T", d)
	}
	require.Equal(t, DialectOfDriver, dialectOf(nil))
}

func TestTheDialectOfAPackageKnowsItWhereverItIs(t *testing.T) {
	for path, want := range map[string]Dialect{
		"github.com/lib/pq":                                     PostgreSQL,
		"github.com/jackc/pgx/stdlib":                           PostgreSQL,
		"github.com/jackc/pgx/v4/stdlib":                        PostgreSQL,
		"github.com/jackc/pgx/v12/stdlib":                       PostgreSQL,
		"example.com/app/vendor/github.com/jackc/pgx/v5/stdlib": PostgreSQL,
		"github.com/mattn/go-sqlite3":                           SQLite,
		"github.com/ncruces/go-sqlite3/driver":                  SQLite,
		"example.com/vendor/b/vendor/modernc.org/sqlite":        SQLite,
		"github.com/go-sql-driver/mysql":                        MySQL,
		"github.com/go-sql-driver/mysql/v2":                     MySQL,
		"github.com/jackc/pgx/v5":                               DialectOfDriver,
		"github.com/jackc/pgx/vx/stdlib":                        DialectOfDriver,
		"example.com/github.com/lib/pq":                         DialectOfDriver,
		"github.com/lib/pqx":                                    DialectOfDriver,
		"v5":                                                    DialectOfDriver,
		"":                                                      DialectOfDriver,
	} {
		require.Equal(t, want, dialectOfPackage(path), path)
	}
}

func TestADriverWithoutConnectorsIsOpenedByName(t *testing.T) {
	c, err := connectorOf(strange{}, "dsn")
	require.NoError(t, err)
	require.Equal(t, driver.Driver(strange{}), c.Driver())
	_, err = c.Connect(context.Background())
	require.ErrorIs(t, err, driver.ErrBadConn)
}
