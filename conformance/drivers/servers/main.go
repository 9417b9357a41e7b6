// Command servers makes a database of its own on the test servers, for the test
// suites of drivers, or drops it, and prints the variables by which those suites
// find it:
//
//	servers create|drop NAME
//
// A server whose SLUICE_TEST_ variable is not set has no lines.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"net/url"
	"os"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 || os.Args[1] != "create" && os.Args[1] != "drop" {
		log.Fatal("usage: servers create|drop NAME")
	}
	verb, name := os.Args[1], os.Args[2]
	if u := server("SLUICE_TEST_POSTGRES_URL"); u != nil {
		run("pgx", u.String(), verb+" database "+name)
		password, _ := u.User.Password()
		u.Path = "/" + name
		export("PGHOST", u.Hostname(), "PGPORT", u.Port(), "PGUSER", u.User.Username(), "PGPASSWORD", password,
			"PGDATABASE", name, "PGSSLMODE", "disable", "PGX_TEST_DATABASE", u.String())
	}
	if u := server("SLUICE_TEST_MYSQL_URL"); u != nil {
		password, _ := u.User.Password()
		run("mysql", fmt.Sprintf("%s:%s@tcp(%s)/", u.User.Username(), password, u.Host), verb+" database "+name)
		export("MYSQL_TEST_USER", u.User.Username(), "MYSQL_TEST_PASS", password, "MYSQL_TEST_ADDR", u.Host, "MYSQL_TEST_DBNAME", name)
	}
}

func server(variable string) *url.URL {
	v := os.Getenv(variable)
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err != nil {
		log.Fatal(variable, ": not a URL")
	}
	return u
}

func run(driver, dsn, statement string) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		log.Fatal(driver, ": ", err)
	}
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		log.Fatal(driver, ": ", err)
	}
}

func export(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		fmt.Printf("export %s=%q\n", pairs[i], pairs[i+1])
	}
}
