package respw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
)

// silent has the interfaces of net/http's HTTP/2 writer and does nothing.
type silent struct{ header http.Header }

func (w *silent) Header() http.Header               { return w.header }
func (w *silent) Write(p []byte) (int, error)       { return len(p), nil }
func (w *silent) WriteString(s string) (int, error) { return len(s), nil }
func (w *silent) WriteHeader(int)                   {}
func (w *silent) Flush()                            {}
func (w *silent) FlushError() error                 { return nil }

var body = []byte("hello")

func record(w http.ResponseWriter, r *http.Request, layers int) {
	w, rec, _ := respw.Wrap(w, r, 0)
	for range layers - 1 {
		w, _, _ = respw.Wrap(w, r, 0)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
	rec.End(true)
}

func TestARecorderIsOneAllocation(t *testing.T) {
	w, r := &silent{http.Header{}}, httptest.NewRequest("GET", "/", nil)
	for _, layers := range []int{1, 7} {
		require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { record(w, r, layers) }), 1.0)
	}
}

func BenchmarkRecorder(b *testing.B) {
	w, r := &silent{http.Header{}}, httptest.NewRequest("GET", "/", nil)
	for name, layers := range map[string]int{"one layer": 1, "seven layers": 7} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				record(w, r, layers)
			}
		})
	}
}
