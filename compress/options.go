package compress

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"time"
)

// Options configure a [Compressor]. The zero value compresses what is worth it,
// with zstd, brotli or gzip as the client likes, and nothing that it must not.
type Options struct {
	// Codings are offered, in this order where a client likes several equally.
	// Default: zstd, br, gzip.
	Codings []Coding
	// Prefer gives the order for a content type, such as "text/event-stream" (lower
	// case, without parameters). nil is the order of Codings; what is not in
	// Codings is not offered. It must not use the response.
	// Default: the order of Codings for all.
	Prefer func(contentType string) []Coding
	// MinSize is how long a body must be, in bytes, to be compressed. A body that
	// is flushed before its end is. Negative: any length.
	// Default: 500.
	MinSize int
	// ContentTypes are those worth compressing: "text/css", "text/*", or a suffix as
	// "*+json" (RFC 6839). An empty list is none.
	// Default: [DefaultContentTypes].
	ContentTypes []string
	// Skip tells of requests whose answers stay as they are. See also [Off].
	// Default: none.
	Skip func(*http.Request) bool

	// GzipLevel is 1 (fast) to 9 (small).
	// Default: 6.
	GzipLevel int
	// BrotliQuality is 1 (fast) to 11 (small, and a hundred times slower than 5).
	// Streams take one from 2 to 9: others cannot flush well, or hold tens of MB.
	// Default: 5 for whole bodies of up to 64 KiB, 4 for others.
	BrotliQuality int
	// ZstdLevel is 1 (fast) to 3 (small; 5 MB for each encoder).
	// Default: 2 for whole bodies, 1 for streams.
	ZstdLevel int

	// BufferSize is how much of a body, in bytes, is kept back to encode it as a
	// whole: with a Content-Length, only if it gets smaller, and with nothing sent
	// if the handler panics. Longer bodies are streamed.
	// Default: 65536.
	BufferSize int
	// Window is how far back, in bytes, streams look for repetition. It is what an
	// encoder and the client need in memory. A power of two from 1 KiB to 8 MiB, as
	// browsers refuse larger windows of zstd (RFC 9659); gzip has one of 32 KiB.
	// Default: 131072.
	Window int
	// MaxStreams is how many streams of one coding are open at the same time; the
	// next ones get a cheaper coding, or none. Negative: no bound.
	// Default: 256.
	MaxStreams int
	// MaxBusy is how many whole bodies are encoded in one coding at the same time;
	// the next ones get a cheaper coding, or none, and do not wait. Negative: no
	// bound.
	// Default: 4 for each processor that Go may use.
	MaxBusy int

	// ETags says what becomes of strong entity tags of encoded bodies.
	// Default: ETagSuffix.
	ETags ETagMode
	// NotAcceptable answers 406 where a client refuses all codings and none, before
	// the handler runs (RFC 9110 §12.5.3 prefers to send the body as it is).
	// Default: false.
	NotAcceptable bool

	// Padding adds a random number of bytes, 1 to Padding, to each encoded body, as
	// a hindrance to BREACH (CVE-2013-3587). At most 4096. A short body may get longer
	// by it. See the documentation of the package for what it does not protect from.
	// Default: 0, none.
	Padding int
	// GuardCrossSite leaves answers to requests as they are that another site made
	// the browser send with a cookie or credentials (Sec-Fetch-Site: cross-site). It
	// adds Sec-Fetch-Site to Vary.
	// Default: false.
	GuardCrossSite bool

	// OnResult is told of each body that was encoded, once it was handed on: the name
	// of the coding, the lengths before and after, and the time that encoding took.
	// It is told "identity" of a body, or the beginning of a long one, that did not
	// get smaller; and nothing of bodies that were not tried.
	// Default: none.
	OnResult func(coding string, in, out int64, d time.Duration)
}

// ETagMode says what becomes of a strong entity tag when the body is encoded, as
// two codings are two representations (RFC 9110 §8.8.3.3).
type ETagMode uint8

const (
	// ETagSuffix puts the name of the coding into the tag: "abc" becomes "abc-gzip".
	// Conditional requests are translated back.
	ETagSuffix ETagMode = iota
	// ETagWeaken makes the tag weak: W/"abc". If-Match then never matches (RFC 9110
	// §13.1.1): do not use it where clients lock by entity tags.
	ETagWeaken
)

// Largest values of options.
const (
	maxPadding = 4096
	maxWindow  = 8 << 20 // RFC 9659 §3
	minWindow  = 1 << 10
	maxBuffer  = 16 << 20
)

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	if o.Codings == nil {
		o.Codings = []Coding{Zstd, Brotli, Gzip}
	}
	if o.ContentTypes == nil {
		o.ContentTypes = DefaultContentTypes()
	}
	o.MinSize = max(0, cmp.Or(o.MinSize, 500))
	o.GzipLevel = cmp.Or(o.GzipLevel, 6)
	o.BufferSize = cmp.Or(o.BufferSize, 64<<10)
	o.Window = cmp.Or(o.Window, 128<<10)
	o.MaxStreams = cmp.Or(o.MaxStreams, 256)
	o.MaxBusy = cmp.Or(o.MaxBusy, 4*runtime.GOMAXPROCS(0))
	return o
}

// faults are all that is wrong with options that have their defaults.
func (o *Options) faults() error {
	var errs []error
	fault := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("compress: "+field+": "+format, args...))
	}
	between := func(field string, n, low, high int) {
		if n < low || n > high {
			fault(field, "%d is not between %d and %d", n, low, high)
		}
	}
	if len(o.Codings) == 0 {
		fault("Codings", "there is none; leave out the middleware instead")
	}
	for i, c := range o.Codings {
		if _, known := codingOf(c); !known {
			fault("Codings", "%q is none of gzip, br and zstd", c)
		} else if slices.Contains(o.Codings[:i], c) {
			fault("Codings", "%q is listed twice", c)
		}
	}
	between("GzipLevel", o.GzipLevel, 1, 9)
	between("BrotliQuality", o.BrotliQuality, 0, 11)
	between("ZstdLevel", o.ZstdLevel, 0, 3)
	between("BufferSize", o.BufferSize, 512, maxBuffer)
	between("Padding", o.Padding, 0, maxPadding)
	between("Window", o.Window, minWindow, maxWindow)
	if o.Window&(o.Window-1) != 0 {
		fault("Window", "%d is no power of two", o.Window)
	}
	if o.MinSize > o.BufferSize {
		fault("MinSize", "%d is more than BufferSize, %d", o.MinSize, o.BufferSize)
	}
	if o.ETags > ETagWeaken {
		fault("ETags", "%d is no mode", o.ETags)
	}
	if _, err := newTypeSet(o.ContentTypes); err != nil {
		fault("ContentTypes", "%w", err)
	}
	return errors.Join(errs...)
}
