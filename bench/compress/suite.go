// Package compress compares sluice's compress with other middlewares that encode
// responses. README.md says what each does; the tests check it.
package compress

import (
	"fmt"
	"net/http"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// All subjects are set to these, where they can be.
const (
	MinSize       = 500 // of a body, in bytes
	gzipLevel     = 6
	brotliQuality = 4
)

const (
	bare            = "the application alone"
	gzhttpName      = "klauspost/compress/gzhttp"
	compressionName = "CAFxX/httpcompression"
)

type middleware = func(http.Handler) http.Handler

// subject is a contender.
type subject struct {
	name    string
	open    func() (middleware, error)
	offered []string // its codings
}

// subjects are all, sluice first.
var subjects = []subject{
	{"sluice", openSluice, []string{gzipped, brotlied, zstded}},
	{"sluice, zero Options", openSluiceZero, []string{gzipped, brotlied, zstded}},
	{gzhttpName, openGzhttp, []string{gzipped, zstded}},
	{compressionName, openHTTPCompression, []string{gzipped, brotlied, zstded}},
	{"go-chi/chi, middleware.Compress", openChi, []string{gzipped}},
}

// Suite is what the command measures.
func Suite() (harness.Suite, error) {
	suite := harness.Suite{
		Package: "compress",
		Cases:   cases(),
		Bare:    []harness.Bare{{Name: bare, Handler: fresh(app())}},
		Bars:    bars(),
		CPU:     true,
	}
	for _, s := range subjects {
		if err := add(&suite, s); err != nil {
			return suite, err
		}
	}
	return suite, nil
}

func add(suite *harness.Suite, s subject) error {
	m, err := s.open()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	suite.Subjects = append(suite.Subjects, harness.Subject{Name: s.name, Handler: fresh(m(app())), Over: bare, Without: without(s.offered...)})
	return nil
}

// SuiteWith is Suite with one more peer, which offers gzip and zstd: Caddy lives in
// a module of its own, as it brings a hundred others.
func SuiteWith(name string, open func() (func(http.Handler) http.Handler, error)) (harness.Suite, error) {
	suite, err := Suite()
	if err != nil {
		return suite, err
	}
	if err := add(&suite, subject{name, open, []string{gzipped, zstded}}); err != nil {
		return suite, err
	}
	suite.Bars = append(suite.Bars, idleBars(name)...)
	return suite, nil
}

// bars are what sluice promises.
func bars() []harness.Bar {
	all := idleBars(gzhttpName)
	for _, size := range sizes {
		all = append(all,
			harness.Bar{Case: sized(gzipped, size.name), Against: gzhttpName, Share: 1, Allocs: 2},
			harness.Bar{Case: sized(brotlied, size.name), Against: compressionName, Share: 0.5, Allocs: 2})
	}
	return all
}

// idleBars are for answers that stay as they are.
func idleBars(against string) (all []harness.Bar) {
	for _, p := range programs {
		if !p.coded {
			all = append(all, harness.Bar{Case: p.name, Against: against, Share: 1, Allocs: 1})
		}
	}
	return all
}
