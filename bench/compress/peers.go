package compress

import (
	"net/http"

	"github.com/CAFxX/httpcompression"
	cafxgzip "github.com/CAFxX/httpcompression/contrib/klauspost/gzip"
	cafxzstd "github.com/CAFxX/httpcompression/contrib/klauspost/zstd"
	chi "github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/zstd"
)

// openGzhttp has the cheapest filter that there can be. With its own, images would
// be encoded; with a list of types, each answer's type would be parsed.
func openGzhttp() (middleware, error) {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.MinSize(MinSize),
		gzhttp.CompressionLevel(gzipLevel),
		gzhttp.ZstdCompressionLevel(int(zstd.SpeedFastest)),
		gzhttp.ContentTypeFilter(func(t string) bool { return t == "application/json" || t == "text/event-stream" }),
	)
	if err != nil {
		return nil, err
	}
	return func(h http.Handler) http.Handler { return wrap(h) }, nil
}

// openHTTPCompression has the fastest gzip that the library brings, where its
// default is that of the standard library, and the zstd of gzhttp: by default a
// window has 8 MiB, and an encoder its goroutines. It has no list of types that
// are not worth it, and gets one.
func openHTTPCompression() (middleware, error) {
	g, err := cafxgzip.New(cafxgzip.Options{Level: gzipLevel})
	if err != nil {
		return nil, err
	}
	z, err := cafxzstd.New(zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	return httpcompression.Adapter(
		httpcompression.MinSize(MinSize),
		httpcompression.GzipCompressor(g),
		httpcompression.BrotliCompressionLevel(brotliQuality),
		httpcompression.ZstandardCompressor(z),
		httpcompression.ContentTypes([]string{"application/json", "text/event-stream"}, false),
	)
}

// openChi has no shortest length.
func openChi() (middleware, error) {
	return chi.Compress(gzipLevel, "application/json", "text/event-stream"), nil
}
