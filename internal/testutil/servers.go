// Package testutil holds what the tests of several packages share.
package testutil

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Server is a running server and a client that speaks its protocol.
type Server struct {
	*httptest.Server
	Proto string // as in http.Request.Proto
}

// Start serves h over HTTP/1.1 on a free loopback port until the test ends.
func Start(t testing.TB, h http.Handler) Server {
	t.Helper()
	return start(t, h, "HTTP/1.1")
}

// StartH2 serves h over HTTP/2 with TLS.
func StartH2(t testing.TB, h http.Handler) Server {
	t.Helper()
	return start(t, h, "HTTP/2.0")
}

// BothProtocols runs f against h over HTTP/1.1 and over HTTP/2.
func BothProtocols(t *testing.T, h http.Handler, f func(t *testing.T, srv Server)) {
	t.Helper()
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) { f(t, start(t, h, proto)) })
	}
}

func start(t testing.TB, h http.Handler, proto string) Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // provoked on purpose
	if proto == "HTTP/2.0" {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return Server{srv, proto}
}
