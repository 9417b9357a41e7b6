package compress

import (
	"net/http"

	sluice "github.com/sluice-go/sluice/compress"
)

// openSluice has the levels that the peers are set to.
func openSluice() (middleware, error) {
	return openSluiceWith(sluice.Options{GzipLevel: gzipLevel, BrotliQuality: brotliQuality, ZstdLevel: 1})
}

func openSluiceZero() (middleware, error) { return openSluiceWith(sluice.Options{}) }

func openSluiceWith(o sluice.Options) (middleware, error) {
	c, err := sluice.New(o)
	if err != nil {
		return nil, err
	}
	return func(h http.Handler) http.Handler { return c.Middleware(h) }, nil
}
