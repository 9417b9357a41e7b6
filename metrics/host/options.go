package host

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"
)

// Options configure a [Collector]. The zero value watches the file system at /.
type Options struct {
	// Paths are the file systems to watch: a name of your choice, which becomes
	// the label, and an absolute path on the file system. The path itself is
	// not exposed. Nil is the default, an empty map watches none.
	// Default: {"root": "/"}.
	Paths map[string]string

	// Namespace is put before every metric name, with an underscore.
	// Default: none.
	Namespace string

	// Timeout is how long a scrape, or New, waits for file systems. One that has
	// not answered by then counts as down. Keep it below the timeout of the
	// scrape. Default: 1 s.
	Timeout time.Duration

	// Logger hears of a source that cannot be read: once when that begins, at
	// most every 10 s for a source that comes and goes.
	// Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns the options that New works with, and all their faults.
func (o Options) withDefaults() (Options, error) {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, fmt.Errorf("host: "+field+": "+format, args...))
	}
	if o.Paths == nil {
		o.Paths = map[string]string{"root": "/"}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Paths)) {
		if name == "" || !utf8.ValidString(name) {
			// A label value that is not UTF-8 makes the registry refuse the scrape,
			// and an empty one is the same as none.
			fault("Paths", "the name %q must be valid UTF-8 and not empty", name)
		}
		if path := o.Paths[name]; !filepath.IsAbs(path) {
			fault("Paths", "%q: %q is not an absolute path", name, path)
		}
	}
	if !isNamespace(o.Namespace) {
		fault("Namespace", "%q must be letters, digits and underscores, not starting with a digit", o.Namespace)
	}
	if o.Timeout < 0 {
		fault("Timeout", "must not be negative: a scrape without a bound hangs with a file system")
	}
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o, errors.Join(faults...)
}

// isNamespace keeps to the characters that need no quotes in PromQL. Colons
// are for recording rules.
func isNamespace(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
