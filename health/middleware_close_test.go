package health_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// recovering is a layer inside that makes an answer of a panic.
func recovering(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "sorry", http.StatusInternalServerError)
			}
		}()
		next(w, r)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// Trap 35: with "Connection: close" on every answer no client is left on a
// connection when it is closed (RFC 9112 §9.6). One that is forgotten loses the
// next request.
func TestEveryAnswerOfADrainClosesItsConnection(t *testing.T) {
	tests := []struct {
		name, method string
		h            http.HandlerFunc
		code         int
	}{
		{"200", "GET", status(200), 200},
		{"a body", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200},
		{"nothing at all", "GET", noHandler, 200},
		{"204", "DELETE", status(204), 204},
		{"304", "GET", status(304), 304},
		{"404", "GET", http.NotFound, 404},
		{"429", "POST", status(429), 429},
		{"500", "GET", status(500), 500},
		{"a status of its own", "GET", status(799), 799},
		{"a redirect", "GET", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusSeeOther) }, 303},
		{"a panic inside", "GET", recovering(func(http.ResponseWriter, *http.Request) { panic("boom") }), 500},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200},
		{"OPTIONS", "OPTIONS", status(204), 204},
		{"ReadFrom", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("copied")) }, 200},
		{"a stream", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "piece")
				_ = http.NewResponseController(w).Flush()
			}
		}, 200},
		{"a flush and nothing else", "GET", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, 200},
		{"after hints", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) }, 200},
		{"a handler that would rather keep it", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "keep-alive")
			w.Header().Set("Keep-Alive", "timeout=60")
			w.WriteHeader(200)
		}, 200},
		{"an old client that asks to keep it", "GET", noHandler, 200},
	}
	hc := draining(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := (&service{hc: hc, srv: &http.Server{Handler: hc.Middleware(tt.h)}}).onTCP(t)
			proto := "HTTP/1.1"
			if strings.HasPrefix(tt.name, "an old client") {
				proto = "HTTP/1.0\r\nConnection: keep-alive"
			}
			p := s.send(t, "%s / %s\r\nHost: x\r\n\r\n", tt.method, proto)
			res := p.answer(t, tt.method)
			if res.StatusCode == 103 {
				require.Empty(t, res.Header["Connection"], "an interim answer ends nothing")
				res = p.answer(t, tt.method)
			}
			require.Equal(t, tt.code, res.StatusCode)
			require.True(t, res.Close)
			_, err := io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			p.requireEOF(t)
		})
	}
}

// Before it begins, nothing of this.
func TestNoAnswerIsTouchedBeforeADrain(t *testing.T) {
	s := newService(t, forDrain(health.DrainOptions{}), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }).onTCP(t)
	p := s.connect(t)
	for range 3 {
		for _, path := range []string{"/", "/health", "/health/readiness"} {
			_, err := fmt.Fprintf(p, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
			require.NoError(t, err)
			res := p.answer(t, "GET")
			require.Equal(t, 200, res.StatusCode)
			require.Empty(t, res.Header["Connection"])
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
		}
	}
}

// What decides is the moment of the answer, not that of the request.
func TestARequestFromBeforeTheDrainIsAnsweredWithClose(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	s := newService(t, forDrain(health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour}), func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-answer
		_, _ = io.WriteString(w, "hello")
	}).onTCP(t)
	p := s.get(t, "/")
	<-arrived
	ctx, cancel := contextOf(t)
	done := s.drain(t, ctx)
	close(answer)
	res := p.answer(t, "GET")
	require.True(t, res.Close)
	_, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	p.requireEOF(t)
	cancel()
	require.NoError(t, result(t, done))
}

// A stream that began before is too late for the field, and is finished all the
// same; the next request on its connection gets it.
func TestAStreamFromBeforeTheDrainIsFinished(t *testing.T) {
	pieces := make(chan string)
	s := newService(t, forDrain(health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour}), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/stream" {
			return
		}
		for piece := range pieces {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}).onTCP(t)
	p := s.get(t, "/stream")
	pieces <- "before "
	res := p.answer(t, "GET")
	require.False(t, res.Close)
	ctx, cancel := contextOf(t)
	done := s.drain(t, ctx)
	pieces <- "and after"
	close(pieces)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "before and after", string(body))
	_, err = io.WriteString(p, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.True(t, p.answer(t, "GET").Close)
	p.requireEOF(t)
	cancel()
	require.NoError(t, result(t, done))
}

// Under the race detector: answers while a drain begins have the field or not,
// and are whole in either case.
func TestAnswersWhileADrainBeginsAreWhole(t *testing.T) {
	hc := newDrainable(t, health.DrainOptions{Wait: 50 * time.Millisecond, Probes: -1})
	s := (&service{hc: hc, srv: &http.Server{Handler: hc.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}))}}).onTCP(t)
	var clients sync.WaitGroup
	began := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			for i := 0; ; i++ {
				res, err := c.Post("http://"+s.addr, "text/plain", strings.NewReader("12345"))
				require.NoError(t, err)
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, "5", string(body))
				if i == 10 {
					began <- struct{}{}
				}
				if res.Close {
					return // the next replica would be next
				}
			}
		})
	}
	for range 8 {
		<-began
	}
	require.NoError(t, hc.Drain(t.Context(), s.srv))
	clients.Wait()
}
