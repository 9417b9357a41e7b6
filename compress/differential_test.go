package compress_test

import (
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAResponseIsThatOfAPlainServer plays programs by chance, the same ones each
// time, and counts that enough of them were encoded for it to mean something.
func TestAResponseIsThatOfAPlainServer(t *testing.T) {
	w := newWorld(t)
	rng := rand.New(rand.NewPCG(6, 1))
	seen := map[string]int{}
	for range 600 {
		data := make([]byte, 8+rng.IntN(60))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		seen[w.differ(t, programOf(data))]++
	}
	for _, coding := range []string{"", "gzip", "br", "zstd"} {
		require.Greater(t, seen[coding], 10, "%q: %v", coding, seen)
	}
	w.requireNothingIsLeftOpen(t)
}

// requireNothingIsLeftOpen: with one stream at a time, a stream that was not given
// back would be the last one that is encoded.
func (w *world) requireNothingIsLeftOpen(t *testing.T) {
	ops := []op{doSet("Content-Type", "text/html; charset=utf-8"), doFlush(), doWrite(words, 5000)}
	for accept, coding := range map[int]string{0: "gzip", 1: "br", 2: "zstd"} {
		p := program{method: http.MethodGet, accept: accept, options: len(worldOptions) - 1, ops: ops}
		require.Equal(t, coding, w.differ(t, p))
	}
}

// TestResponsesThatOnceDiffered are programs that were found by chance, and those
// that chance seldom finds.
func TestResponsesThatOnceDiffered(t *testing.T) {
	w := newWorld(t)
	html := doSet("Content-Type", "text/html; charset=utf-8")
	tests := []struct {
		name string
		ops  []op
	}{
		{"trap d.28: what would fit is refused after a write that did not", []op{
			html, doSet("Content-Length", "2000"), doWrite(words, 1900), doWrite(words, 200), doWrite(words, 100)}},
		{"trap d.28: the same in a stream", []op{
			html, doSet("Content-Length", "2000"), doWrite(words, 1500), doFlush(), doWrite(words, 600), doWrite(words, 500)}},
		{"trap d.21: trailers that were not announced, set after the first write", []op{
			html, doWrite(words, 10_000), doTrailer("X-Late", "a")}},
		{"trap d.21: the same for a stream that, once encoded, fits the server's buffer", []op{
			html, doWrite(zeros, 100_000), doTrailer("X-Late", "a")}},
		{"trap d.21: the same for a body that turns out not to be encoded at a later write", []op{
			doWrite(noise, 510), doTrailer("X-Late", "a"), doWrite(words, 8)}},
		{"off before a status that decides alone", []op{
			html, doOff(), doWriteHeader(http.StatusNotModified)}},
		{"off with a body that is kept back", []op{
			html, doWrite(words, 400), doOff(), doWrite(words, 5000)}},
		{"trap d.23: an empty write flushes nothing", []op{
			html, doSet("Incremental", "?1"), doWrite(words, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for accept := range accepts {
				for i := range 4 {
					method := []string{http.MethodGet, http.MethodHead}[i%2]
					w.differ(t, program{h2: i >= 2, method: method, accept: accept, ops: tt.ops})
				}
			}
		})
	}
}
