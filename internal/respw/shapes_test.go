package respw_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/felixge/httpsnoop"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
)

// fake is the plain writer under the generated ones. It notes what was called.
type fake struct {
	header http.Header
	calls  []string
}

var errFake = errors.New("told by the fake")

func (w *fake) called(method string) error { w.calls = append(w.calls, method); return errFake }

func (w *fake) Header() http.Header         { return w.header }
func (w *fake) Write(p []byte) (int, error) { w.called("Write"); return len(p), nil }
func (w *fake) WriteHeader(int)             { w.called("WriteHeader") }
func (w *fake) noted() *fake                { return w }

// noted returns what was called on a generated fake, and forgets it.
func noted(w http.ResponseWriter) string {
	f := w.(interface{ noted() *fake }).noted()
	calls := strings.Join(f.calls, " ")
	f.calls = nil
	return calls
}

// optional are the interfaces that code asserts on a writer.
var optional = map[string]func(http.ResponseWriter) bool{
	"Flusher":      func(w http.ResponseWriter) bool { _, ok := w.(http.Flusher); return ok },
	"FlushError":   func(w http.ResponseWriter) bool { _, ok := w.(interface{ FlushError() error }); return ok },
	"Hijacker":     func(w http.ResponseWriter) bool { _, ok := w.(http.Hijacker); return ok },
	"ReaderFrom":   func(w http.ResponseWriter) bool { _, ok := w.(io.ReaderFrom); return ok },
	"Pusher":       func(w http.ResponseWriter) bool { _, ok := w.(http.Pusher); return ok },
	"StringWriter": func(w http.ResponseWriter) bool { _, ok := w.(io.StringWriter); return ok },
	//lint:ignore SA1019 kept for handlers that still use it
	"CloseNotifier": func(w http.ResponseWriter) bool { _, ok := w.(http.CloseNotifier); return ok },
}

// controls are what a ResponseController can do to a writer.
var controls = map[string]func(*http.ResponseController) error{
	"Flush":            func(c *http.ResponseController) error { return c.Flush() },
	"Hijack":           func(c *http.ResponseController) error { _, _, err := c.Hijack(); return err },
	"SetReadDeadline":  func(c *http.ResponseController) error { return c.SetReadDeadline(time.Time{}) },
	"SetWriteDeadline": func(c *http.ResponseController) error { return c.SetWriteDeadline(time.Time{}) },
	"EnableFullDuplex": func(c *http.ResponseController) error { return c.EnableFullDuplex() },
}

// httpsnoop keeps every combination of interfaces by brute force; a recorder
// must be told apart from it by nobody.
func TestEveryCombinationOfInterfacesIsKeptAsHTTPSnoopKeepsIt(t *testing.T) {
	require.Len(t, fakes, 512)
	r := httptest.NewRequest("GET", "/", nil)
	for _, inner := range fakes {
		noted(inner)
		ours, _, _ := respw.Wrap(inner, r, 0)
		oracle := httpsnoop.Wrap(inner, httpsnoop.Hooks{})
		for name, has := range optional {
			require.Equal(t, has(oracle), has(ours), "%T: %s", inner, name)
		}
		for name, control := range controls {
			wantErr := control(http.NewResponseController(oracle))
			wantCalls := noted(inner)
			gotErr := control(http.NewResponseController(ours))
			require.Equal(t, wantErr, gotErr, "%T: %s", inner, name)
			require.Equal(t, wantCalls, noted(inner), "%T: %s", inner, name)
		}
	}
}

func TestEveryMethodReachesTheWriterUnderneath(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for i, inner := range fakes[:128] {
		noted(inner)
		w, rec, created := respw.Wrap(inner, r, 0)
		require.True(t, created)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
			require.Equal(t, "Flush", noted(inner))
		}
		if f, ok := w.(interface{ FlushError() error }); ok {
			require.Equal(t, errFake, f.FlushError())
			require.Equal(t, "FlushError", noted(inner))
		}
		if p, ok := w.(http.Pusher); ok {
			require.Equal(t, errFake, p.Push("/x", &http.PushOptions{Method: "HEAD"}))
			require.Equal(t, "Push /x HEAD", noted(inner))
		}
		if s, ok := w.(io.StringWriter); ok {
			n, err := s.WriteString("abc")
			require.Equal(t, 3, n)
			require.Equal(t, errFake, err)
			require.Equal(t, "WriteString", noted(inner))
		}
		if s, ok := w.(io.ReaderFrom); ok {
			n, err := s.ReadFrom(strings.NewReader(strings.Repeat("x", 600)))
			require.EqualValues(t, 600, n)
			require.NoError(t, err)
			require.Equal(t, "Write ReadFrom", noted(inner))
		}
		//lint:ignore SA1019 kept for handlers that still use it
		if c, ok := w.(http.CloseNotifier); ok {
			c.CloseNotify()
			require.Equal(t, "CloseNotify", noted(inner))
		}
		if h, ok := w.(http.Hijacker); ok {
			_, _, err := h.Hijack()
			require.Equal(t, errFake, err)
			require.Equal(t, "Hijack", noted(inner))
			require.False(t, rec.Hijacked(), "a refused hijack took nothing over")
		}
		require.Same(t, inner, w.(interface{ Unwrap() http.ResponseWriter }).Unwrap(), "shape %d", i)
		again, same, created := respw.Wrap(w, r, 0)
		require.False(t, created)
		require.Same(t, rec, same)
		require.True(t, w == again)
	}
}
