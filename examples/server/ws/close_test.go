package ws_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/ws"
)

func TestCloseTellsEveryoneAndRefusesNewcomers(t *testing.T) {
	s := start(t, ws.Options{})
	a, b := s.dial(t, "ada"), s.dialGorilla(t, "")
	ended := make(chan error, 1)
	go func() { _, _, err := b.ReadMessage(); ended <- err }()
	closed := make(chan error, 1)
	go func() { closed <- s.hub.Close(t.Context()) }()

	require.Equal(t, websocket.StatusGoingAway, closeCode(t, a))
	require.True(t, gorilla.IsCloseError(<-ended, gorilla.CloseGoingAway))
	require.NoError(t, <-closed)
	require.Zero(t, s.hub.Listeners())

	_, res, err := websocket.Dial(t.Context(), s.URL, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.NoError(t, s.hub.Close(t.Context()), "a second time does no harm")
	s.hub.Broadcast(app.Message{Body: "to nobody"})
}

func TestCloseWaitsForAMessageThatIsBeingStored(t *testing.T) {
	s := start(t, ws.Options{})
	begun, release := make(chan struct{}), make(chan struct{})
	s.store.before = func(ctx context.Context) error {
		close(begun)
		<-release
		return ctx.Err()
	}
	c := s.dial(t, "ada")
	write(t, c, `{"body":"x"}`)
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- s.hub.Close(t.Context()) }()
	require.Equal(t, websocket.StatusGoingAway, closeCode(t, c))
	require.Empty(t, closed)
	close(release)
	require.NoError(t, <-closed)
	require.Equal(t, 1, s.store.count())
}

func TestCloseCutsWhoeverOutlastsItsContext(t *testing.T) {
	s := start(t, ws.Options{})
	s.dialGorilla(t, "") // reads nothing, so it answers no close frame
	c := s.dial(t, "ada")
	s.store.before = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	write(t, c, `{"body":"x"}`)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := s.hub.Close(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, "ws: cut 2 connections: context deadline exceeded")
	// Without the cut, the closing handshake alone would wait three seconds.
	require.Eventually(t, func() bool { return s.hub.Listeners() == 0 }, 2*time.Second, 5*time.Millisecond)
	require.Zero(t, s.store.count())
}

func TestABrokenFrameCannotHoldTheCloseUp(t *testing.T) {
	s := start(t, ws.Options{})
	c := s.dialGorilla(t, "ada")
	// Oversize by its header alone: 1 GiB is announced, 20 KiB come.
	_, err := c.NetConn().Write(append([]byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 20<<10)...))
	require.NoError(t, err)
	eventually(t, "the place is free again", func() bool { return s.hub.Listeners() == 0 })
}
