package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
)

// config is what the operator decides. It never goes into an error or the
// output: the database's URL may hold a password.
type config struct {
	command  string // create or drop
	database string // postgres://, mysql:// or sqlite: and a path
	dryRun   bool
	strict   bool
	wait     time.Duration
}

const (
	cmdCreate = "create"
	cmdDrop   = "drop"
)

const usage = `Usage: migrate create|drop [flags]

create makes the indexes that the lists of the reference server use; drop
removes those that create made. Both say what they will do, do it while the
server runs, and may be run again at any time.

Flags:
  -database URL  postgres://user:password@host:port/database?options
                 mysql://user:password@host:port/database?options
                 sqlite:path/to/file
                 default: DATABASE_URL, or else sluice.db in DATA_DIR (./data).
                 Flags show up in lists of processes: a password is better off
                 in DATABASE_URL
  -dry-run       say what would be done, and change nothing
  -strict        end with code 3 if a table or a column is not there
  -wait 10m      for how long to wait for another run, and for transactions that
                 are in the way of one index; building takes as long as it takes

Exit codes: 0 done, 1 failed or refused, 2 wrong command line, 3 not all tables
and columns are there (-strict), 4 stopped by a signal.
`

// parseConfig reads arguments and environment, and reports all faults at once.
func parseConfig(args []string, getenv func(string) string, stdout io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&cfg.database, "database", "", "")
	flags.BoolVar(&cfg.dryRun, "dry-run", false, "")
	flags.BoolVar(&cfg.strict, "strict", false, "")
	flags.DurationVar(&cfg.wait, "wait", 10*time.Minute, "")
	rest, err := parseAround(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(stdout, usage)
		return config{}, errors.Join(flag.ErrHelp, err)
	case err != nil:
		return config{}, fmt.Errorf("migrate: %w; -h explains the flags", err)
	}
	if cfg.database == "" {
		cfg.database = getenv("DATABASE_URL")
	}
	if cfg.database == "" {
		data := getenv("DATA_DIR")
		if data == "" {
			data = "./data"
		}
		cfg.database = "sqlite:" + filepath.Join(data, "sluice.db")
	}
	if len(rest) == 1 {
		cfg.command = rest[0]
	}
	return cfg, cfg.validate()
}

// parseAround lets flags stand before and after the command.
func parseAround(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

func (c config) validate() error {
	var faults []error
	if c.command != cmdCreate && c.command != cmdDrop {
		faults = append(faults, errors.New("migrate: command: must be create or drop; -h explains"))
	}
	if c.wait <= 0 {
		faults = append(faults, errors.New("migrate: -wait: must be like 10m"))
	}
	return errors.Join(append(faults, c.checkDatabase())...)
}

// checkDatabase names no part of the URL: in one that is at fault a password may
// be anywhere.
func (c config) checkDatabase() error {
	scheme, rest, ok := strings.Cut(c.database, ":")
	switch {
	case ok && scheme == "sqlite":
		if rest == "" || strings.HasPrefix(rest, ":memory:") {
			return errors.New("migrate: -database: sqlite: needs the path of a file")
		}
		return nil
	case ok && (scheme == "postgres" || scheme == "postgresql" || scheme == "mysql"):
		return checkURL(scheme, rest, c.database)
	}
	return errors.New("migrate: -database: must be a URL of postgres://, mysql:// or sqlite: and a path")
}

func checkURL(scheme, rest, whole string) error {
	// An unescaped delimiter would move the end of the password into the host or
	// the database, which errors do name (RFC 3986 §3.2.1).
	user, host, found := strings.Cut(rest, "@")
	if found && (strings.ContainsAny(strings.TrimPrefix(user, "//"), "/?#") || strings.Contains(host, "@")) {
		return errors.New("migrate: -database: write @ / ? # in a user, password or option as %40 %2F %3F %23")
	}
	err := errors.New("migrate: -database: is not of the form " + scheme + "://user:password@host:port/database?options, or an option is wrong")
	if !strings.HasPrefix(rest, "//") {
		return err
	}
	if scheme == "mysql" {
		if _, fault := mysqlConfig(whole); fault != nil {
			return err
		}
		return nil
	}
	if _, fault := pgx.ParseConfig(whole); fault != nil {
		return err
	}
	return nil
}

// mysqlConfig reads a URL, which the driver itself does not know. The options
// are those of the driver.
func mysqlConfig(whole string) (*mysql.Config, error) {
	u, err := url.Parse(whole)
	if err != nil {
		return nil, err
	}
	cfg, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, err
	}
	database := strings.TrimPrefix(u.Path, "/")
	if u.Hostname() == "" || database == "" {
		return nil, errors.New("a host and a database are needed")
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	cfg.User, cfg.DBName = u.User.Username(), database
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	cfg.Logger = &mysql.NopLogger{} // what fails is returned as well
	cfg.InterpolateParams = true    // one round trip, and nothing prepared is left behind
	return cfg, nil
}
