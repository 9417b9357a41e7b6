// Command migrate creates and drops the indexes that make the reference
// server's lists fast, while the server runs:
//
//	go run ./examples/migrate create
//	go run ./examples/migrate drop
//
// It works on SQLite, PostgreSQL (12 or later), MySQL (8 or later) and MariaDB,
// never blocks reads or writes for longer than a moment where the database can
// do without, and may be run again and by several people at once: whatever was
// interrupted, the next run completes. What it does not find (a table, a
// column) it skips, and says so. It drops only what it made.
//
// It ends with one of these codes; "go run" prints them and itself ends with 1:
//
//	0  all is as asked for, but for tables or columns that are not there
//	1  something failed, or was refused; the last table says what and why
//	2  the command line is wrong
//	3  with -strict: a table or a column is not there
//	4  stopped by a signal; what was begun is undone, so run it again
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops the build and cleans up. From then on a second one
	// is the operating system's to handle: it ends the process at once.
	context.AfterFunc(ctx, stop)
	code, err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}
