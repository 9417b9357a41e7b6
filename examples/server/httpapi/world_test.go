package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/httpapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a running server with the users root (admin), ann and bob, whose
// tokens are "root", "ann" and "bob".
type world struct {
	t      *testing.T
	url    string
	client *http.Client
	store  *memory
	blobs  *blobs
	model  *model
	heard  *listeners
	log    *syncBuffer

	mu       sync.Mutex // of what a layer outside Authenticate saw
	patterns []string
	statuses []int
}

func newWorld(t *testing.T, change ...func(*httpapi.Options)) *world {
	t.Helper()
	w := &world{t: t, store: newMemory(), blobs: &blobs{bytes: map[string][]byte{}},
		model: &model{}, heard: &listeners{}, log: &syncBuffer{}}
	for _, u := range []app.User{
		{Username: "root", Role: app.RoleAdmin},
		{Username: "ann", Role: app.RoleAuthenticated},
		{Username: "bob", Role: app.RoleAuthenticated},
	} {
		u, err := w.store.CreateUser(t.Context(), u)
		require.NoError(t, err)
		w.token(u.Username, u.ID, time.Now().Add(time.Hour))
	}
	o := httpapi.Options{
		Store:     w.store,
		Chat:      &app.Chat{Messages: w.store, Listeners: w.heard},
		Library:   &app.Library{Files: w.store, Blobs: w.blobs},
		Assistant: &app.Assistant{Messages: w.store, Model: w.model},
		Logger:    slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	api, err := httpapi.New(o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	api.Mount(mux)
	inner := api.Authenticate(mux)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: rw, status: 200}
		inner.ServeHTTP(seen, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.patterns, w.statuses = append(w.patterns, r.Pattern), append(w.statuses, seen.status)
	}))
	t.Cleanup(srv.Close)
	w.url, w.client = srv.URL, srv.Client()
	return w
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// served counts the requests whose handlers have ended.
func (w *world) served() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.patterns)
}

func (w *world) token(text string, user int64, expires time.Time) {
	sum := sha256.Sum256([]byte(text))
	require.NoError(w.t, w.store.CreateToken(context.Background(), sum[:], user, expires))
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header holds pairs of names and values. A token goes
// before the method: "ann POST /api/messages".
func (w *world) do(request, body string, header ...string) answer {
	w.t.Helper()
	fields := strings.Fields(request)
	if len(fields) == 3 {
		header = append(header, "Authorization", "Bearer "+fields[0])
		fields = fields[1:]
	}
	req, err := http.NewRequestWithContext(w.t.Context(), fields[0], w.url+fields[1], strings.NewReader(body))
	require.NoError(w.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) answer {
	w.t.Helper()
	resp, err := w.client.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// is checks the status, and that every error is a problem document.
func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	if status >= 400 && a.body != "" {
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		p := a.json(t)
		require.Equal(t, "about:blank", p["type"])
		require.Equal(t, http.StatusText(status), p["title"])
		require.EqualValues(t, status, p["status"])
		require.NotEmpty(t, p["detail"])
	}
	return a
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	return v
}

// faults are the names of the fields that a problem document complains about.
func (a answer) faults(t *testing.T) []string {
	t.Helper()
	var names []string
	errs, _ := a.json(t)["errors"].(map[string]any)
	for name := range errs {
		names = append(names, name)
	}
	return names
}

type listeners struct {
	mu    sync.Mutex
	heard []app.Message
}

func (l *listeners) Broadcast(m app.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, m)
}

// model is an app.Model whose answer each test writes.
type model struct {
	generate func(ctx context.Context, emit func(string) error) (app.Usage, error)
}

func (m *model) Name() string { return "test model" }

func (m *model) Generate(ctx context.Context, _ string, _ []app.Message, emit func(string) error) (app.Usage, error) {
	return m.generate(ctx, emit)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestNew(t *testing.T) {
	t.Run("every fault is reported at once", func(t *testing.T) {
		_, err := httpapi.New(httpapi.Options{MaxUpload: -1, MaxAsks: -1})
		for _, field := range []string{"Store", "Chat", "Library", "Assistant", "MaxUpload", "MaxAsks"} {
			require.ErrorContains(t, err, "httpapi: "+field+": ")
		}
	})
}
