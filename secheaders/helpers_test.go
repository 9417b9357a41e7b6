package secheaders_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

func mustNew(t testing.TB, opts Options) *Secure {
	t.Helper()
	s, err := New(opts)
	require.NoError(t, err)
	return s
}

// answer serves one request by a handler.
func answer(h http.Handler, r *http.Request) http.Header {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result().Header
}

func secureRequest() *http.Request {
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	r.TLS = &tls.ConnectionState{}
	return r
}

// typed answers with a content type.
func typed(contentType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		_, _ = io.WriteString(w, "body")
	})
}

// headersOf are the headers of a response of a type, over TLS.
func headersOf(t testing.TB, s *Secure, contentType string) http.Header {
	t.Helper()
	return answer(s.Middleware(typed(contentType)), secureRequest())
}
