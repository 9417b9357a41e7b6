package main

import (
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
