package dbmon

import (
	"path"
	"strings"
)

// origin is whose code a function is.
type origin uint8

const (
	ofApplication origin = iota
	ofSystem             // the standard library, and ours
	ofLibrary            // that makes queries for the application
	ofMigrations
)

const sluice = "github.com/sluice-go/sluice"

// originOf decides by the import path. Tests are always the application's, those
// of the packages named here too.
func originOf(function, file string) origin {
	pkg, _ := splitFunction(function)
	switch {
	case strings.HasSuffix(file, "_test.go"):
		return ofApplication
	case isStandard(pkg, file), under(pkg, sluice) && !under(pkg, sluice+"/examples"):
		return ofSystem
	case underAny(pkg, migrators):
		return ofMigrations
	case underAny(pkg, libraries), isGenerated(pkg, file):
		return ofLibrary
	default:
		return ofApplication
	}
}

// isStandard knows the standard library by the first element of its paths, and by
// where its files are, since a module of an application may be named like one.
func isStandard(pkg, file string) bool {
	if dir := path.Dir(strings.ReplaceAll(file, `\`, "/")); dir != pkg && !strings.HasSuffix(dir, "/src/"+pkg) {
		return pkg == ""
	}
	first, _, _ := strings.Cut(pkg, "/")
	switch first {
	case "archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug",
		"embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal",
		"io", "iter", "log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime",
		"slices", "sort", "strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode",
		"unique", "unsafe", "vendor", "weak":
		return true
	default:
		return false
	}
}

// isGenerated knows queries that sqlc and ent have written into the application.
func isGenerated(pkg, file string) bool {
	return strings.HasSuffix(file, ".sql.go") || strings.HasSuffix(pkg, "/ent") || strings.Contains(pkg, "/ent/")
}

func under(pkg, path string) bool {
	return strings.HasPrefix(pkg, path) && (len(pkg) == len(path) || pkg[len(path)] == '/')
}

func underAny(pkg string, paths []string) bool {
	for _, p := range paths {
		if under(pkg, p) {
			return true
		}
	}
	return false
}

// migrators look at tables one by one, and nobody waits for them.
var migrators = []string{
	"ariga.io/atlas",
	"entgo.io/ent/dialect/sql/schema",
	"github.com/amacneil/dbmate",
	"github.com/go-gormigrate/gormigrate",
	"github.com/go-rel/rel/migrator",
	"github.com/golang-migrate/migrate",
	"github.com/jackc/tern",
	"github.com/pressly/goose",
	"github.com/rubenv/sql-migrate",
	"github.com/uptrace/bun/migrate",
	"gorm.io/gorm/migrator",
}

// libraries are drivers, mappers and what else stands between an application and
// its queries.
var libraries = []string{
	"entgo.io/ent",
	"github.com/Masterminds/squirrel",
	"github.com/aarondl/sqlboiler",
	"github.com/blockloop/scan",
	"github.com/cockroachdb/cockroach-go",
	"github.com/doug-martin/goqu",
	"github.com/georgysavva/scany",
	"github.com/go-gorm",
	"github.com/go-jet/jet",
	"github.com/go-pg/pg",
	"github.com/go-rel",
	"github.com/go-sql-driver/mysql",
	"github.com/gocraft/dbr",
	"github.com/huandu/go-sqlbuilder",
	"github.com/jackc/pgconn",
	"github.com/jackc/pgx",
	"github.com/jackc/puddle",
	"github.com/jinzhu/gorm",
	"github.com/jmoiron/sqlx",
	"github.com/leporo/sqlf",
	"github.com/lib/pq",
	"github.com/mattn/go-sqlite3",
	"github.com/ncruces/go-sqlite3",
	"github.com/nullbio/sqlboiler",
	"github.com/stephenafamo/bob",
	"github.com/stephenafamo/scan",
	"github.com/upper/db",
	"github.com/uptrace/bun",
	"github.com/vingarcia/ksql",
	"github.com/volatiletech/sqlboiler",
	"gorm.io",
	"modernc.org/sqlite",
	"xorm.io/builder",
	"xorm.io/xorm",
	"zombiezen.com/go/sqlite",
}
