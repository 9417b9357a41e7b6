package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/ws"
)

func TestNewReportsAllFaults(t *testing.T) {
	_, err := ws.New(ws.Options{MaxConns: -1, PingEvery: -1, PostEvery: -1, MaxAge: -1,
		Origins: []string{"chat.example.com", "chat.example.com:8443", "*", "https://example.com", "", "a/b"}})
	require.EqualError(t, err, strings.Join([]string{
		`ws: MaxConns: must not be negative`,
		`ws: PingEvery: must not be negative`,
		`ws: PostEvery: must not be negative`,
		`ws: MaxAge: must not be negative`,
		`ws: Origins: "*" is not a host like chat.example.com or chat.example.com:8443`,
		`ws: Origins: "https://example.com" is not a host like chat.example.com or chat.example.com:8443`,
		`ws: Origins: "" is not a host like chat.example.com or chat.example.com:8443`,
		`ws: Origins: "a/b" is not a host like chat.example.com or chat.example.com:8443`,
	}, "\n"))
}

func TestAMessageReachesEveryListener(t *testing.T) {
	s := start(t, ws.Options{})
	ada, nobody := s.dial(t, "ada"), s.dial(t, "")
	require.Equal(t, 2, s.hub.Listeners())

	write(t, ada, `{"body":"hello <b>"}`)
	for _, c := range []*websocket.Conn{ada, nobody} {
		f := read(t, c)
		require.Equal(t, "message", f.Kind)
		m := f.Message.(map[string]any)
		require.Equal(t, "ada", m["username"])
		require.Equal(t, "text", m["type"])
		require.Equal(t, "hello <b>", m["body"])
		require.EqualValues(t, 1, m["id"])
	}
	require.NoError(t, nobody.Close(websocket.StatusNormalClosure, ""))
	eventually(t, "a client that left is no listener", func() bool { return s.hub.Listeners() == 1 })
}

func TestTheWelcomeCountsListeners(t *testing.T) {
	s := start(t, ws.Options{})
	for n := 1; n <= 3; n++ {
		c, _, err := websocket.Dial(t.Context(), s.URL, nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.CloseNow() })
		require.Equal(t, frame{Kind: "welcome", Listeners: n}, read(t, c))
	}
}

func TestRefusedInputIsAnsweredAndTheConnectionLives(t *testing.T) {
	const object = `send an object like {"body":"hello"}`
	for _, tt := range []struct {
		name, user, input, message string
		errors                     map[string]string
	}{
		{"text that is not JSON", "ada", `hello`, object, nil},
		{"a field of the wrong type", "ada", `{"body":7}`, object, nil},
		{"an unknown field", "ada", `{"body":"x","username":"eve"}`, object, nil},
		{"two objects", "ada", `{"body":"x"}{"body":"y"}`, "send one object per message", nil},
		{"an empty body", "ada", `{"body":" "}`, "some fields are not valid", map[string]string{"body": "must not be empty"}},
		{"a body of 2001 characters in a frame of 16 KiB", "ada", fmt.Sprintf(`{"body":"%s"}%s`, strings.Repeat("é", 2001),
			strings.Repeat(" ", 16<<10-len(`{"body":""}`)-4002)),
			"some fields are not valid", map[string]string{"body": "must have at most 2000 characters"}},
		{"a caller who is not logged in", "", `{"body":"x"}`, "this needs a login or an API token", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, ws.Options{})
			c := s.dial(t, tt.user)
			for range 2 {
				write(t, c, tt.input)
				require.Equal(t, frame{Kind: "error", Message: tt.message, Errors: tt.errors}, read(t, c))
			}
			require.Zero(t, s.store.count())
			require.Empty(t, s.log.String(), "what a client does wrong is nothing for an operator")
		})
	}
}

func TestAStoreFailureIsLoggedAndShownWithoutItsCause(t *testing.T) {
	s := start(t, ws.Options{})
	for _, tt := range []struct {
		name    string
		err     error
		message string
	}{
		{"an unknown error", errors.New("disk 7 on fire"), "the message could not be stored"},
		{"an internal error", &app.Error{Message: "secret", Cause: errors.New("disk 7 on fire")}, "the message could not be stored"},
		{"a database that is gone", &app.Error{Code: app.CodeUnavailable, Message: "the database is gone",
			Cause: errors.New("disk 7 on fire")}, "the database is gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := s.dial(t, "ada")
			s.store.before = func(context.Context) error { return tt.err }
			logged := len(s.log.String())
			write(t, c, `{"body":"x"}`)
			require.Equal(t, frame{Kind: "error", Message: tt.message}, read(t, c))
			require.Contains(t, s.log.String()[logged:], "disk 7 on fire")
		})
	}
}

func TestAbuseOfTheProtocolIsClosedWithItsCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(*gorilla.Conn) error
		code int
	}{
		{"a binary message with 1003", func(c *gorilla.Conn) error {
			return c.WriteMessage(gorilla.BinaryMessage, []byte(`{"body":"x"}`))
		}, gorilla.CloseUnsupportedData},
		{"text that is not UTF-8 with 1007", func(c *gorilla.Conn) error {
			return c.WriteMessage(gorilla.TextMessage, []byte("{\"body\":\"\xff\"}"))
		}, gorilla.CloseInvalidFramePayloadData},
		{"a message of 16 KiB and a byte with 1009", func(c *gorilla.Conn) error {
			return c.WriteMessage(gorilla.TextMessage, make([]byte, 16<<10+1))
		}, gorilla.CloseMessageTooBig},
		{"a megabyte in many fragments with 1009", func(c *gorilla.Conn) error {
			w, err := c.NextWriter(gorilla.TextMessage)
			if err == nil {
				_, err = w.Write(make([]byte, 1<<20))
			}
			return err
		}, gorilla.CloseMessageTooBig},
		{"a reserved opcode with 1002", func(c *gorilla.Conn) error {
			_, err := c.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0})
			return err
		}, gorilla.CloseProtocolError},
		{"a frame without a mask with 1002", func(c *gorilla.Conn) error {
			_, err := c.NetConn().Write([]byte{0x81, 0x01, 'x'})
			return err
		}, gorilla.CloseProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, ws.Options{})
			c := s.dialGorilla(t, "ada")
			sent := make(chan error, 1)
			go func() { sent <- tt.send(c) }() // the server may close before all is sent
			_, _, err := c.ReadMessage()
			require.True(t, gorilla.IsCloseError(err, tt.code), "%v", err)
			_ = c.Close()
			<-sent
			require.Zero(t, s.store.count())
			eventually(t, "its place is free again", func() bool { return s.hub.Listeners() == 0 })
		})
	}
}

func TestAllListenersHearTheSameOrder(t *testing.T) {
	const listeners, posts = 200, 100
	s := start(t, ws.Options{})
	heard := make([][]string, listeners)
	var total atomic.Int64
	var g sync.WaitGroup
	for i := range listeners {
		var next func() (string, error)
		if i%2 == 0 {
			c := s.dial(t, "")
			next = func() (string, error) { _, b, err := c.Read(t.Context()); return string(b), err }
		} else {
			c := s.dialGorilla(t, "")
			next = func() (string, error) { _, b, err := c.ReadMessage(); return string(b), err }
		}
		g.Go(func() {
			for range posts {
				text, err := next()
				if err != nil {
					return // seen below as a short list
				}
				heard[i] = append(heard[i], text)
				total.Add(1)
			}
		})
	}
	// Two posters at a time, in steps that overflow no outbox.
	for step := range posts / 10 {
		var posters sync.WaitGroup
		for p := range 2 {
			posters.Go(func() {
				for n := range 5 {
					s.hub.Broadcast(app.Message{Body: fmt.Sprint(step, p, n)})
				}
			})
		}
		posters.Wait()
		eventually(t, "all have heard this step", func() bool { return total.Load() == int64(10*listeners*(step+1)) })
	}
	g.Wait()
	require.Len(t, heard[0], posts)
	for _, list := range heard {
		require.Equal(t, heard[0], list)
	}
}

func TestASlowListenerIsClosedAndDelaysNobody(t *testing.T) {
	s := start(t, ws.Options{})
	slow, quick := s.dialGorilla(t, ""), s.dial(t, "")
	quick.SetReadLimit(1 << 20)

	// TCP itself buffers some megabytes on the way.
	require.NoError(t, slow.NetConn().(*net.TCPConn).SetReadBuffer(256<<10))
	body := strings.Repeat("x", 256<<10)
	for n := range 120 {
		s.hub.Broadcast(app.Message{ID: int64(n), Body: body})
		require.Equal(t, "message", read(t, quick).Kind)
	}
	var err error
	frames := -1
	for err == nil {
		_, _, err = slow.ReadMessage()
		frames++
	}
	require.True(t, gorilla.IsCloseError(err, gorilla.CloseTryAgainLater), "%v", err)
	require.Less(t, frames, 120)
	eventually(t, "only the quick one is left", func() bool { return s.hub.Listeners() == 1 })
}

func TestNoMoreConnectionsThanAllowed(t *testing.T) {
	s := start(t, ws.Options{MaxConns: 2})
	first := s.dial(t, "")
	// A handshake that fails must not keep its place.
	res, err := http.Get(s.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUpgradeRequired, res.StatusCode)
	s.dial(t, "")

	_, res, err = websocket.Dial(t.Context(), s.URL, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "5", res.Header.Get("Retry-After"))

	require.NoError(t, first.Close(websocket.StatusNormalClosure, ""))
	eventually(t, "the place is free", func() bool { return s.hub.Listeners() == 1 })
	s.dial(t, "")
}

func TestOnlyPagesOfKnownHostsMayConnect(t *testing.T) {
	s := start(t, ws.Options{Origins: []string{"chat.example.com"}})
	for _, tt := range []struct {
		name, origin string
		allowed      bool
	}{
		{"our own page", s.URL, true},
		{"a page of an allowed host", "https://chat.example.com", true},
		{"a client that is no browser", "", true},
		{"a page of another site", "https://evil.example", false},
		{"another port of an allowed host", "https://chat.example.com:444", false},
		{"a page whose host ends like ours", "https://evilchat.example.com", false},
		{"a sandboxed page", "null", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", tt.origin)
			}
			c, res, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPHeader: header})
			if tt.allowed {
				require.NoError(t, err)
				require.NoError(t, c.CloseNow())
				return
			}
			require.Error(t, err)
			require.Equal(t, http.StatusForbidden, res.StatusCode)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NotEmpty(t, body)
		})
	}
	eventually(t, "all are gone", func() bool { return s.hub.Listeners() == 0 })
}

func TestAPeerThatAnswersNoPingIsGone(t *testing.T) {
	s := start(t, ws.Options{PingEvery: 50 * time.Millisecond})
	s.dialGorilla(t, "") // it answers only while someone reads
	alive := s.dial(t, "")
	go func() { _, _, _ = alive.Read(t.Context()) }()
	eventually(t, "the silent one is gone", func() bool { return s.hub.Listeners() == 1 })
	require.Never(t, func() bool { return s.hub.Listeners() == 0 }, 200*time.Millisecond, 10*time.Millisecond,
		"the other one answers")
}

func TestAConnectionEndsWithItsAge(t *testing.T) {
	s := start(t, ws.Options{MaxAge: 50 * time.Millisecond})
	require.Equal(t, websocket.StatusGoingAway, closeCode(t, s.dial(t, "ada")))
}

func TestAClientCannotPostFasterThanAllowed(t *testing.T) {
	const every = 50 * time.Millisecond
	s := start(t, ws.Options{PostEvery: every})
	c := s.dial(t, "ada")
	begin := time.Now()
	for range 6 {
		write(t, c, `{"body":"x"}`)
	}
	for range 6 {
		require.Equal(t, "message", read(t, c).Kind)
	}
	// The sixth comes after five waits, the first of which may be over.
	require.GreaterOrEqual(t, time.Since(begin), 4*every)
}

func TestAMessageIsStoredThoughItsSenderLeft(t *testing.T) {
	s := start(t, ws.Options{})
	begun, left := make(chan struct{}), make(chan struct{})
	s.store.before = func(ctx context.Context) error {
		close(begun)
		<-left
		return ctx.Err()
	}
	c := s.dial(t, "ada")
	write(t, c, `{"body":"bye"}`)
	<-begun
	require.NoError(t, c.CloseNow())
	close(left)
	eventually(t, "the message is stored", func() bool { return s.store.count() == 1 })
}

func TestAConnectionOutlivesTheContextOfItsRequest(t *testing.T) {
	hub, err := ws.New(ws.Options{})
	require.NoError(t, err)
	chat := hub.Handler(&app.Chat{Messages: &messages{}, Listeners: hub})
	s := &server{hub: hub, Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel() // as after the deadline of an outer layer
		chat.ServeHTTP(w, r.WithContext(ctx))
	}))}
	defer s.Close()
	c := s.dial(t, "")
	hub.Broadcast(app.Message{Body: "here"})
	require.Equal(t, "here", read(t, c).body())
	require.NoError(t, c.CloseNow())
	require.NoError(t, hub.Close(t.Context()))
}

func TestAPanicOfTheStoreEndsOneConnection(t *testing.T) {
	s := start(t, ws.Options{})
	s.store.before = func(context.Context) error { panic(http.ErrAbortHandler) }
	ada, other := s.dial(t, "ada"), s.dial(t, "")
	write(t, ada, `{"body":"x"}`)
	require.Equal(t, websocket.StatusInternalError, closeCode(t, ada))
	eventually(t, "its place is free", func() bool { return s.hub.Listeners() == 1 })
	s.hub.Broadcast(app.Message{Body: "still here"})
	require.Equal(t, "still here", read(t, other).body())
}
