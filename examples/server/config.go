package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// config is what the operator decides. Addresses and folders are flags and
// variables; secrets and URLs that may hold them are variables alone, since
// flags show up in lists of processes.
type config struct {
	addr, admin, data string

	env           string
	databaseURL   string
	adminPassword string
	ollamaURL     string
	ollamaModel   string
	redisURL      string
	origins       []string
	proxies       []netip.Prefix
	connect       []string
	drainWait     time.Duration // negative: none
}

const (
	development = "development"
	staging     = "staging"
	production  = "production"
)

// maxDrainWait leaves running requests some of the 25 s that an end may take.
const maxDrainWait = 15 * time.Second

const usage = `Usage: server [flags]

Flags, each with the variable that sets its default:
  -addr   ADDR        address of the service        (127.0.0.1:8080)
  -admin  ADMIN_ADDR  address for operators only:   (127.0.0.1:9090)
                      /metrics, /health/detailed, /debug
  -data   DATA_DIR    folder of the database and    (./data)
                      of uploaded files; created

Variables:
  APP_ENV         development, staging or production (development). Only
                  development makes demonstration data and logs for people;
                  the others log JSON and keep cookies to HTTPS.
  DATABASE_URL    postgres://user:password@host:port/database; unset: SQLite
                  in the data folder
  ADMIN_PASSWORD  password of the accounts made at the first start; unset: a
                  random one, printed once
  OLLAMA_URL      Ollama's API, like http://127.0.0.1:11434; unset: a built-in
                  stand-in answers, which only quotes
  OLLAMA_MODEL    model to ask for (llama3.2)
  REDIS_URL       redis://user:password@host:port/0; its health is shown, and
                  it will keep the cache and the rate limits
  DRAIN_WAIT      for how long requests are still taken after a stop was asked
                  for, until load balancers have noticed (5s; in development 0s)
  CHAT_ORIGINS    hosts, separated by commas, whose pages may use the chat
                  besides our own; for proxies that change Host
  CONNECT_SRC     URLs, separated by commas, that our page may connect to
                  besides ourselves, such as an AI service or wss://host
  TRUSTED_PROXIES networks, separated by commas, of proxies that say whether
                  a request came over TLS, like 10.0.0.0/8
`

// parseConfig reads flags and environment, and reports all faults at once.
func parseConfig(args []string, getenv func(string) string, stdout io.Writer) (config, error) {
	env := func(name, fallback string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return fallback
	}
	cfg := config{
		env:           env("APP_ENV", development),
		databaseURL:   getenv("DATABASE_URL"),
		adminPassword: getenv("ADMIN_PASSWORD"),
		ollamaURL:     getenv("OLLAMA_URL"),
		ollamaModel:   getenv("OLLAMA_MODEL"),
		redisURL:      getenv("REDIS_URL"),
		origins:       list(getenv("CHAT_ORIGINS")),
		connect:       list(getenv("CONNECT_SRC")),
	}
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&cfg.addr, "addr", env("ADDR", "127.0.0.1:8080"), "")
	flags.StringVar(&cfg.admin, "admin", env("ADMIN_ADDR", "127.0.0.1:9090"), "")
	flags.StringVar(&cfg.data, "data", env("DATA_DIR", "./data"), "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(stdout, usage)
		return config{}, errors.Join(flag.ErrHelp, err)
	case err != nil:
		return config{}, fmt.Errorf("server: %w; -h explains the flags", err)
	}
	usual := "5s"
	if cfg.env == development { // nobody but us is there to notice
		usual = "0s"
	}
	data, err := filepath.Abs(cfg.data) // for those who ask which file system it is on
	if err != nil {
		return config{}, fmt.Errorf("server: -data: %w", err)
	}
	cfg.data = data
	if cfg.drainWait, err = time.ParseDuration(env("DRAIN_WAIT", usual)); err != nil || cfg.drainWait < 0 || cfg.drainWait > maxDrainWait {
		err = fmt.Errorf("server: DRAIN_WAIT: must be like 5s, at most %s", maxDrainWait)
	}
	if cfg.drainWait == 0 {
		cfg.drainWait = -1
	}
	err = errors.Join(cfg.validate(flags.Args()), err)
	for _, network := range list(getenv("TRUSTED_PROXIES")) {
		prefix, bad := netip.ParsePrefix(network)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("server: TRUSTED_PROXIES: %q is not like 10.0.0.0/8", network))
		}
		cfg.proxies = append(cfg.proxies, prefix)
	}
	return cfg, err
}

// list splits at commas and spaces.
func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

func (c config) validate(rest []string) error {
	var faults []error
	check := func(ok bool, name, reason string) {
		if !ok {
			faults = append(faults, fmt.Errorf("server: %s: %s", name, reason))
		}
	}
	check(len(rest) == 0, "arguments", "there are none besides flags")
	check(isAddress(c.addr), "-addr", "must be like 127.0.0.1:8080")
	check(isAddress(c.admin), "-admin", "must be like 127.0.0.1:9090")
	check(c.addr != c.admin || strings.HasSuffix(c.addr, ":0"), "-admin", "must differ from -addr")
	check(c.env == development || c.env == staging || c.env == production, "APP_ENV",
		"must be development, staging or production")
	check(c.adminPassword == "" || len(c.adminPassword) >= 8, "ADMIN_PASSWORD", "must have at least 8 bytes")
	check(len(c.adminPassword) <= 72, "ADMIN_PASSWORD", "must have at most 72 bytes")
	return errors.Join(faults...)
}

func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && port != ""
}
