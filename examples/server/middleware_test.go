package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARequestIDIsKeptIfItIsShortAndPlain(t *testing.T) {
	tests := []struct {
		name, id string
		kept     bool
	}{
		{"a plain one", "req-1.A_b", true},
		{"none", "", false},
		{"64 characters", strings.Repeat("a", 64), true},
		{"65 characters", strings.Repeat("a", 65), false},
		{"a line break", "a\nb", false},
		{"mark-up", "<b>", false},
		{"a letter of another script", "é", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("X-Request-Id", tt.id)
			requestID(http.NotFoundHandler()).ServeHTTP(w, r)
			got := w.Header().Get("X-Request-Id")
			require.Equal(t, tt.kept, got == tt.id)
			require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, got)
		})
	}
}

// deadlineWriter notes the deadlines of a connection.
type deadlineWriter struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error  { w.read = t; return nil }
func (w *deadlineWriter) SetWriteDeadline(t time.Time) error { w.write = t; return nil }

func TestDeadlinesAreSetForEachRequestAndClearedForStreams(t *testing.T) {
	for path, want := range map[string]time.Duration{
		"/": 30 * time.Second, "/api/tickets": 30 * time.Second, "/api/files": 5 * time.Minute, "/api/files/1/content": 5 * time.Minute,
		"/api/ask": 0, "/ws/chat": 0,
	} {
		stale := time.Now().Add(time.Second) // of the server, and of the request before
		w := &deadlineWriter{httptest.NewRecorder(), stale, stale}
		called := false
		deadlines(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true })).
			ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		require.True(t, called)
		if want == 0 {
			require.True(t, w.write.IsZero(), path)
		} else {
			require.WithinDuration(t, time.Now().Add(want), w.write, 10*time.Second, path)
		}
		if want == 5*time.Minute {
			require.Equal(t, w.write, w.read, path)
		} else {
			require.Equal(t, stale, w.read, "the server's own, for %s", path)
		}
	}
}
