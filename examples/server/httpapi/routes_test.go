package httpapi_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return req
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	const collection, item = "GET, HEAD, OPTIONS, POST", "DELETE, GET, HEAD, OPTIONS, PUT"
	for path, allow := range map[string]string{
		"/api/messages": collection, "/api/messages/1": item,
		"/api/projects": collection, "/api/projects/1": item,
		"/api/tickets": collection, "/api/tickets/1": item,
		"/api/files": collection, "/api/files/1": item,
		"/api/users": collection, "/api/users/1": item,
		"/api/files/1/content": "GET, HEAD, OPTIONS",
		"/api/login":           "OPTIONS, POST",
		"/api/logout":          "OPTIONS, POST",
		"/api/me":              "GET, HEAD, OPTIONS",
		"/api/ask":             "OPTIONS, POST",
	} {
		t.Run(path+" answers OPTIONS and refuses other methods with Allow", func(t *testing.T) {
			options := w.do("OPTIONS "+path, "").is(t, 204)
			require.Equal(t, allow, options.header.Get("Allow"))
			for _, method := range []string{"PATCH", "TRACE", "BREW"} {
				refused := w.do("ann "+method+" "+path, "").is(t, 405)
				require.Equal(t, allow, refused.header.Get("Allow"))
			}
		})
	}
	for _, path := range []string{"/api/", "/api/nothing", "/api/messages/", "/api/messages/1/x", "/api/messages/0",
		"/api/messages/-1", "/api/messages/01", "/api/messages/x", "/api/messages/99999999999999999999",
		"/api/files/x/content", "/api/files/7/content"} {
		t.Run(path+" is not found", func(t *testing.T) {
			w.do("GET "+path, "").is(t, 404)
		})
	}
}

func TestPattern(t *testing.T) {
	w := newWorld(t)
	t.Run("outer layers see the full route, with and without a login", func(t *testing.T) {
		w.do("GET /api/messages/7", "")
		w.do("ann GET /api/messages/7", "")
		w.do("ann HEAD /api/messages/7", "")
		w.do("ann PATCH /api/messages/7", "")
		w.do("ann GET /api/nothing", "")
		require.Eventually(t, func() bool { return w.served() == 5 }, 10*time.Second, time.Millisecond)
		require.ElementsMatch(t, []string{"GET /api/messages/{id}", "GET /api/messages/{id}", "GET /api/messages/{id}",
			"/api/messages/{id}", "/api/"}, w.patterns)
	})
}
