package dbmon

import (
	"database/sql/driver"
	"reflect"
	"strings"
)

// dialectOf knows the dialect of a driver by the package of its type, under all
// layers. It is DialectOfDriver for one that it does not know.
func dialectOf(d driver.Driver) Dialect {
	t := reflect.TypeOf(Raw(d))
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return DialectOfDriver
	}
	return dialectOfPackage(t.PkgPath())
}

// dialectOfPackage reads an import path, whatever the major version and wherever
// it is vendored.
func dialectOfPackage(path string) Dialect {
	if i := strings.LastIndex(path, "/vendor/"); i >= 0 {
		path = path[i+len("/vendor/"):]
	}
	var kept []string
	for part := range strings.SplitSeq(path, "/") {
		if !majorVersion(part) {
			kept = append(kept, part)
		}
	}
	switch strings.Join(kept, "/") {
	case "github.com/jackc/pgx/stdlib",
		"github.com/lib/pq",
		"github.com/uptrace/bun/driver/pgdriver",
		"cloud.google.com/go/cloudsqlconn/postgres/pgxv4",
		"cloud.google.com/go/cloudsqlconn/postgres/pgxv5",
		"cloud.google.com/go/alloydbconn/driver/pgxv4",
		"cloud.google.com/go/alloydbconn/driver/pgxv5":
		return PostgreSQL
	case "github.com/go-sql-driver/mysql",
		"github.com/go-mysql-org/go-mysql/driver",
		"github.com/ziutek/mymysql/godrv",
		"cloud.google.com/go/cloudsqlconn/mysql/mysql":
		return MySQL
	case "modernc.org/sqlite",
		"github.com/mattn/go-sqlite3",
		"github.com/ncruces/go-sqlite3/driver",
		"github.com/glebarez/go-sqlite",
		"github.com/glebarez/sqlite",
		"github.com/tursodatabase/go-libsql",
		"github.com/tursodatabase/libsql-client-go/libsql":
		return SQLite
	}
	return DialectOfDriver
}

// majorVersion is true for the v5 of a module's path.
func majorVersion(part string) bool {
	return len(part) > 1 && part[0] == 'v' && strings.Trim(part[1:], "0123456789") == ""
}
