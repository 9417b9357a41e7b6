package ws

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/sluice-go/sluice/examples/server/app"
)

// Options are the limits of a [Hub].
type Options struct {
	Logger    *slog.Logger  // Default: slog.Default().
	MaxConns  int           // Connections at a time. Default: 10000.
	Origins   []string      // Hosts whose pages may connect, besides our own. Default: none.
	PingEvery time.Duration // A peer that has not answered by the next ping is gone. Default: 30 s.
	PostEvery time.Duration // The least time between two frames of a client. Default: 100 ms.
	MaxAge    time.Duration // A connection is closed after this, with its rights. Default: 1 h.
}

// Hub knows all listeners. It implements [app.Broadcaster].
type Hub struct {
	logger    *slog.Logger
	maxConns  int
	origins   []string
	pingEvery time.Duration
	postEvery time.Duration
	maxAge    time.Duration

	mu      sync.Mutex
	conns   map[*conn]struct{}
	closed  bool
	running sync.WaitGroup
}

// New checks the options and returns a hub. It starts no goroutine.
func New(o Options) (*Hub, error) {
	var faults []error
	check := func(ok bool, field, reason string) {
		if !ok {
			faults = append(faults, errors.New("ws: "+field+": "+reason))
		}
	}
	check(o.MaxConns >= 0, "MaxConns", "must not be negative")
	check(o.PingEvery >= 0, "PingEvery", "must not be negative")
	check(o.PostEvery >= 0, "PostEvery", "must not be negative")
	check(o.MaxAge >= 0, "MaxAge", "must not be negative")
	for _, origin := range o.Origins {
		check(isHost(origin), "Origins", fmt.Sprintf("%q is not a host like chat.example.com or chat.example.com:8443", origin))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Hub{
		logger:    cmp.Or(o.Logger, slog.Default()),
		maxConns:  cmp.Or(o.MaxConns, 10_000),
		origins:   slices.Clone(o.Origins),
		pingEvery: cmp.Or(o.PingEvery, 30*time.Second),
		postEvery: cmp.Or(o.PostEvery, 100*time.Millisecond),
		maxAge:    cmp.Or(o.MaxAge, time.Hour),
		conns:     map[*conn]struct{}{},
	}, nil
}

// isHost refuses wildcards too: the websocket package takes origins as
// patterns, and "*" would let every site use its visitors' cookies here.
func isHost(s string) bool {
	u, err := url.Parse("//" + s)
	return err == nil && s != "" && u.Host == s && !strings.ContainsAny(s, `*?[\`)
}

// Broadcast sends m to every listener. It never waits: a listener whose outbox
// is full is closed.
func (h *Hub) Broadcast(m app.Message) {
	frame := encode(messageFrame{Kind: "message", Message: m})
	h.mu.Lock() // for all of it, which makes the order the same everywhere
	defer h.mu.Unlock()
	for c := range h.conns {
		c.send(frame)
	}
}

// Listeners returns the number of connections.
func (h *Hub) Listeners() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// Places returns how many connections there may be.
func (h *Hub) Places() int { return h.maxConns }

// Close refuses new connections, closes all others with 1001 and waits for
// them. When ctx ends first, it cuts them. [http.Server.Shutdown] does none of
// this, as it does not know hijacked connections.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	for c := range h.conns {
		c.end(websocket.StatusGoingAway, "the server is going away")
	}
	h.mu.Unlock()

	done := make(chan struct{})
	go func() {
		h.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		c.cut()
	}
	return fmt.Errorf("ws: cut %d connections: %w", len(h.conns), context.Cause(ctx))
}

// join takes a place for a connection that is about to be upgraded; false means
// that there is none. What is broadcast from now on waits in its outbox.
func (h *Hub) join(r *http.Request) (*conn, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.conns) >= h.maxConns {
		return nil, false
	}
	c := newConn(r, h)
	h.conns[c] = struct{}{}
	h.running.Add(1)
	c.send(encode(welcomeFrame{Kind: "welcome", Username: c.principal.Username, Listeners: len(h.conns)}))
	return c, true
}

func (h *Hub) leave(c *conn) {
	c.cut()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	h.running.Done()
}

type welcomeFrame struct {
	Kind      string `json:"kind"`
	Username  string `json:"username"`
	Listeners int    `json:"listeners"`
}

type messageFrame struct {
	Kind    string      `json:"kind"`
	Message app.Message `json:"message"`
}

type errorFrame struct {
	Kind    string            `json:"kind"`
	Message string            `json:"message"`
	Errors  map[string]string `json:"errors,omitempty"` // input field to reason
}

func encode(frame any) []byte {
	b, _ := json.Marshal(frame) // strings, numbers and times within RFC 3339 always encode
	return b
}
