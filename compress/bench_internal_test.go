package compress

import (
	"fmt"
	"io"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

var benchCodecs = []struct {
	name  string
	codec codec
}{
	{"gzip=6", newGzip(6)},
	{"zstd=default", newZstd(0, 128<<10)},
	{"zstd=1", newZstd(1, 128<<10)},
	{"brotli=default", newBrotli(0, 128<<10)},
	{"brotli=4", newBrotli(4, 128<<10)},
}

var benchSizes = []int{500, 2_000, 10_000, 100_000}

func BenchmarkWhole(b *testing.B) {
	for _, c := range benchCodecs {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/size=%d", c.name, size), func(b *testing.B) {
				body := ticketJSON(size)
				out := make([]byte, 0, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					out, _ = c.codec.whole(out[:0], body, 0)
				}
				b.ReportMetric(float64(len(out)), "out")
			})
		}
	}
}

// BenchmarkStream flushes each event of 286 bytes.
func BenchmarkStream(b *testing.B) {
	const event = 286
	for _, c := range benchCodecs {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%s/size=%d", c.name, size), func(b *testing.B) {
				body := ticketJSON(size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					e, _ := c.codec.stream()
					_ = e.begin(io.Discard, 0)
					for at := 0; at < size; at += event {
						_, _ = e.Write(body[at:min(at+event, size)])
						_ = e.Flush()
					}
					_ = e.Close()
					c.codec.release(e)
				}
			})
		}
	}
}

// The peers are what other middlewares call, reused as they do.

func BenchmarkPeerWholeGzip(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			body := ticketJSON(size)
			z, _ := gzip.NewWriterLevel(io.Discard, 6)
			var out appender
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				out = out[:0]
				z.Reset(&out)
				_, _ = z.Write(body)
				_ = z.Close()
			}
		})
	}
}

func BenchmarkPeerWholeBrotli(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("quality=4/size=%d", size), func(b *testing.B) {
			body := ticketJSON(size)
			z := brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: 4, LGWin: 18})
			var out appender
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				out = out[:0]
				z.Reset(&out)
				_, _ = z.Write(body)
				_ = z.Close()
			}
			b.ReportMetric(float64(len(out)), "out")
		})
	}
}

func BenchmarkPadding(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		padding(100)
	}
}

func BenchmarkBuffer(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		takeBuffer(10_000).free()
	}
}
