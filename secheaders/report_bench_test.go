package secheaders_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// bareWriter takes an answer and keeps nothing of it.
type bareWriter struct{ h http.Header }

func (w *bareWriter) Header() http.Header         { return w.h }
func (w *bareWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *bareWriter) WriteHeader(int)             {}
func (w *bareWriter) Flush()                      {}

func (w *bareWriter) SetReadDeadline(time.Time) error { return nil }

// resent is a request that can be served again and again.
func resent(body string) (r *http.Request, again func()) {
	src := strings.NewReader(body)
	r = httptest.NewRequest("POST", "/csp-reports", nil)
	r.Header.Set("Content-Type", cspReport)
	r.Header.Set("User-Agent", chromeAgent)
	r.ContentLength = int64(len(body))
	r.Body = io.NopCloser(src)
	return r, func() { src.Reset(body) }
}

func BenchmarkReport(b *testing.B) {
	legacy, err := io.ReadAll(fixture(b, "chromium-report-uri-inline", cspReport, "").Body)
	require.NoError(b, err)
	modern, err := io.ReadAll(fixture(b, "chromium-report-to-inline", cspReport, "").Body)
	require.NoError(b, err)
	one := string(modern[1 : len(modern)-1])
	for _, bb := range []struct {
		name, body string
		o          ReportOptions
	}{
		{"one legacy report", string(legacy), ReportOptions{Rate: -1, ClientRate: -1}},
		{"a batch of 14", "[" + strings.Repeat(one+",", 13) + one + "]", ReportOptions{Rate: -1, ClientRate: -1}},
		{"a flood over its rate", string(legacy), ReportOptions{Rate: 1, ClientRate: 1}},
		{"hostile, 250 KB of braces", "[" + strings.Repeat("{},", 83_000) + "{}]", ReportOptions{Rate: -1, ClientRate: -1}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			h := mustNew(b, Options{Logger: discardLogger(), Reports: bb.o}).ReportHandler()
			r, again := resent(bb.body)
			w := &bareWriter{http.Header{}}
			for range 200 { // what is full is full
				again()
				h.ServeHTTP(w, r)
			}
			b.SetBytes(int64(len(bb.body)))
			b.ReportAllocs()
			for b.Loop() {
				again()
				h.ServeHTTP(w, r)
			}
		})
	}
}

// What is over its rate costs nothing that the collector has to look for.
func TestAFloodAllocatesNothing(t *testing.T) {
	drops := 0
	h := mustNew(t, Options{Logger: discardLogger(), Reports: ReportOptions{Rate: 1, ClientRate: 1,
		OnDrop: func(string, int) { drops++ }}}).ReportHandler()
	r, again := resent(legacyReport("/", 1))
	w := &bareWriter{http.Header{}}
	serve := func() {
		again()
		h.ServeHTTP(w, r)
	}
	for range 200 {
		serve()
	}
	require.Zero(t, testing.AllocsPerRun(1000, serve))
	require.Greater(t, drops, 1000)
}
