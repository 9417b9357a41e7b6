package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"time"
)

// requestID names every answer, so that a client's report can be found in a log
// of a proxy. A name that came along is kept if it is short and plain.
func requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
			id = rand.Text()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r)
	})
}

type nonceKey struct{}

// nonceFrom returns the nonce that scripts and styles of this answer must bear.
func nonceFrom(ctx context.Context) string {
	nonce, _ := ctx.Value(nonceKey{}).(string)
	return nonce
}

// reportPath is where browsers report what the policy kept them from.
const reportPath = "/csp-reports"

// contentSecurity allows our own page and nothing else (CSP Level 3). A handler
// that knows better, as the download does, sets a policy of its own.
func contentSecurity(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonce := rand.Text() // 130 bits
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'nonce-"+nonce+
			"'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri "+reportPath)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		inner := r.WithContext(context.WithValue(r.Context(), nonceKey{}, nonce))
		next.ServeHTTP(w, inner)
		r.Pattern = inner.Pattern // for the layers outside, which name routes by it
	})
}

// deadlines bounds how long an answer may take, and gives uploads more time to
// arrive than the server's ReadTimeout does. Streams live as long as both sides
// want, and set deadlines of their own for each piece. Every request sets or
// clears the write deadline, because a connection keeps that of the request
// before.
func deadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A server that knows no deadlines, as in a test, does without.
		control := http.NewResponseController(w)
		var until time.Time
		switch {
		case r.URL.Path == "/ws/chat" || r.URL.Path == "/api/ask":
		case strings.HasPrefix(r.URL.Path, "/api/files"):
			until = time.Now().Add(5 * time.Minute)
			_ = control.SetReadDeadline(until)
		default:
			until = time.Now().Add(30 * time.Second)
		}
		_ = control.SetWriteDeadline(until)
		next.ServeHTTP(w, r)
	})
}
