package ws_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frame holds every kind of frame that the server sends.
type frame struct {
	Kind      string            `json:"kind"`
	Username  string            `json:"username"`
	Listeners int               `json:"listeners"`
	Message   any               `json:"message"`
	Errors    map[string]string `json:"errors"`
}

func (f frame) body() string {
	m, _ := f.Message.(map[string]any)
	body, _ := m["body"].(string)
	return body
}

// messages is the part of a store that the chat needs.
type messages struct {
	app.Messages
	mu     sync.Mutex
	stored []app.Message
	before func(context.Context) error // nil: nothing
}

func (s *messages) CreateMessage(ctx context.Context, m app.Message) (app.Message, error) {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return app.Message{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ID, m.Version = int64(len(s.stored)+1), 1
	s.stored = append(s.stored, m)
	return m, nil
}

func (s *messages) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stored)
}

// server is a real server with one hub. A caller is logged in as the value of
// the header X-User.
type server struct {
	*httptest.Server
	hub   *ws.Hub
	store *messages
	log   *lockedBuffer
}

func start(t *testing.T, o ws.Options) *server {
	t.Helper()
	s := &server{store: &messages{}, log: &lockedBuffer{}}
	o.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.hub, err = ws.New(o)
	require.NoError(t, err)
	chat := s.hub.Handler(&app.Chat{Messages: s.store, Listeners: s.hub})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get("X-User"); name != "" {
			r = r.WithContext(app.WithPrincipal(r.Context(),
				app.Principal{UserID: 1, Username: name, Role: app.RoleAuthenticated}))
		}
		chat.ServeHTTP(struct{ unwrapper }{unwrapper{w}}, r)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = s.hub.Close(ctx)
		s.Close()
	})
	return s
}

// unwrapper is what middleware makes of a writer: no Hijack, only Unwrap.
type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Header() http.Header         { return u.w.Header() }
func (u unwrapper) Write(b []byte) (int, error) { return u.w.Write(b) }
func (u unwrapper) WriteHeader(status int)      { u.w.WriteHeader(status) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

// dial connects as a user, or as nobody, and takes the welcome.
func (s *server) dial(t *testing.T, user string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPHeader: http.Header{"X-User": {user}}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.CloseNow() })
	welcome := read(t, c)
	require.Equal(t, "welcome", welcome.Kind)
	require.Equal(t, user, welcome.Username)
	return c
}

func (s *server) dialGorilla(t *testing.T, user string) *gorilla.Conn {
	t.Helper()
	c, _, err := gorilla.DefaultDialer.Dial(strings.Replace(s.URL, "http", "ws", 1), http.Header{"X-User": {user}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	var welcome frame
	require.NoError(t, c.ReadJSON(&welcome))
	require.Equal(t, "welcome", welcome.Kind)
	return c
}

func read(t *testing.T, c *websocket.Conn) frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var f frame
	require.NoError(t, wsjson.Read(ctx, c, &f))
	return f
}

func write(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte(text)))
}

// closeCode reads until the end and returns its code.
func closeCode(t *testing.T, c *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			require.NoError(t, ctx.Err())
			return websocket.CloseStatus(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, 5*time.Millisecond, what)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
