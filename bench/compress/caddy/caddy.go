// Command caddy is the comparison of compress with Caddy's encode among the peers.
// It is a module of its own: Caddy brings a hundred others.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"

	"github.com/sluice-go/sluice/bench/compress"
	"github.com/sluice-go/sluice/bench/internal/harness"
)

const name = "caddyserver/caddy, encode"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "caddy:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("caddy", flag.ContinueOnError)
	var o harness.Options
	flags.DurationVar(&o.Time, "time", 0, "time for all (default 45s)")
	flags.IntVar(&o.Rounds, "rounds", 0, "the least number of rounds (default 3)")
	flags.StringVar(&o.Each, "each", "", "time of one subject in one round, or a count such as 1000x (default 50ms)")
	cpu := flags.Int("cpu", 1, "processors, as GOMAXPROCS")
	if err := flags.Parse(args); err != nil {
		return err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(*cpu))
	suite, err := compress.SuiteWith(name, open)
	if err != nil {
		return err
	}
	report, err := suite.Measure(o)
	if err != nil {
		return err
	}
	return report.Print(stdout)
}

// open sets encode up as Caddy does, without a server around it.
func open() (func(http.Handler) http.Handler, error) {
	ctx, _ := caddy.NewContext(caddy.Context{Context: context.Background()}) // lives as long as the program
	enc := &encode.Encode{
		EncodingsRaw: caddy.ModuleMap{
			"gzip": json.RawMessage(`{"level":6}`),
			"zstd": json.RawMessage(`{"level":"fastest","checksum":false}`),
		},
		MinLength: compress.MinSize,
	}
	if err := enc.Provision(ctx); err != nil {
		return nil, err
	}
	if err := enc.Validate(); err != nil {
		return nil, err
	}
	return func(h http.Handler) http.Handler {
		next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			h.ServeHTTP(w, r)
			return nil
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = enc.ServeHTTP(w, r, next) })
	}, nil
}
