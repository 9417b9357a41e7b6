package health_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func gorillaEchoes(w http.ResponseWriter, r *http.Request) {
	c, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, p) != nil {
			return
		}
	}
}

func coderEchoes(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, p, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, p) != nil {
			return
		}
	}
}

func dialGorilla(t testing.TB, s *service, path string) *gorilla.Conn {
	t.Helper()
	d := gorilla.Dialer{EnableCompression: true, NetDial: func(string, string) (net.Conn, error) { return s.dial() }}
	c, _, err := d.Dial("ws://x"+path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	return c
}

func requireGoneAway(t testing.TB, c *gorilla.Conn) {
	t.Helper()
	_, _, err := c.ReadMessage()
	var closed *gorilla.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, gorilla.CloseGoingAway, closed.Code)
}

// frame is a WebSocket frame as a client reads it.
type frame struct {
	first   byte // with FIN and the reserved bits
	payload []byte
}

func (f frame) opcode() byte { return f.first & 0xf }

// readFrames reads until the connection ends, answers the first Close frame as
// clients do, and fails where a frame was cut.
func readFrames(t testing.TB, p peer) (all []frame) {
	t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(p, head[:]); err != nil {
			require.ErrorIs(t, err, io.EOF, "a frame was cut in its head")
			_ = p.Close()
			return all
		}
		require.Zero(t, head[1]&0x80, "a server must not mask (RFC 6455 §5.1)")
		size := uint64(head[1])
		switch size {
		case 126:
			var wide uint16
			require.NoError(t, binary.Read(p, binary.BigEndian, &wide))
			size = uint64(wide)
		case 127:
			require.NoError(t, binary.Read(p, binary.BigEndian, &size))
		}
		require.Less(t, size, uint64(1<<24))
		payload := make([]byte, size)
		_, err := io.ReadFull(p, payload)
		require.NoError(t, err, "a frame was cut")
		all = append(all, frame{head[0], payload})
		if all[len(all)-1].opcode() == 8 {
			_, _ = p.Write(append([]byte{0x88, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
		}
	}
}

// requireOneGoodbye says that there is exactly one Close frame, with 1001, at the
// end, and that messages are whole up to the frame before it. Their bytes are all
// the same.
func requireOneGoodbye(t testing.TB, all []frame, code uint16) {
	t.Helper()
	require.NotEmpty(t, all)
	open := false
	var of byte
	for i, f := range all {
		require.NotContains(t, []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15}, f.opcode(), "frame %d is none", i)
		if f.opcode() == 8 {
			require.Equal(t, len(all)-1, i, "something followed a Close frame")
			require.Equal(t, code, binary.BigEndian.Uint16(f.payload))
			return
		}
		if f.opcode() > 8 {
			continue
		}
		require.Equal(t, open, f.opcode() == 0, "frame %d: a message in a message", i)
		open = f.first&0x80 == 0
		if f.first&0x40 == 0 && len(f.payload) > 0 && f.opcode() != 0 {
			of = f.payload[0]
		}
		if f.first&0x40 == 0 && f.opcode() != 0 {
			require.Equal(t, len(f.payload), bytes.Count(f.payload, []byte{of}), "frame %d is a mixture", i)
		}
	}
	require.Fail(t, "no Close frame")
}

// shake does the handshake of a WebSocket by hand.
func shake(t testing.TB, s *service, path string, deflate bool) peer {
	t.Helper()
	extensions := ""
	if deflate {
		extensions = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	p := s.send(t, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, extensions)
	res := p.answer(t, "GET")
	require.Equal(t, 101, res.StatusCode)
	require.Equal(t, "Upgrade", res.Header.Get("Connection"))
	require.Equal(t, deflate, res.Header.Get("Sec-WebSocket-Extensions") != "")
	return p
}

var sizes = []int{0, 1, 125, 126, 300, 4095, 4096, 65535, 65536, 100_000}

// message is one that tells when it was mixed with another one.
func message() []byte {
	return bytes.Repeat([]byte{byte('a' + rand.IntN(26))}, sizes[rand.IntN(len(sizes))])
}

// The talkers send all the time, from several goroutines, until the connection
// ends. Some are in the middle of a frame whenever somebody looks.
var talkers = map[string]http.HandlerFunc{
	"gorilla": func(w http.ResponseWriter, r *http.Request) {
		c, err := (&gorilla.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		var one sync.Mutex // of several that write messages, as gorilla asks for
		until(func() error { _, _, err := c.ReadMessage(); return err }, func() { _ = c.Close() }, []func() error{
			func() error { one.Lock(); defer one.Unlock(); return c.WriteMessage(gorilla.BinaryMessage, message()) },
			func() error { one.Lock(); defer one.Unlock(); return c.WriteMessage(gorilla.BinaryMessage, message()) },
			func() error { return c.WriteControl(gorilla.PingMessage, []byte("ping"), time.Now().Add(time.Minute)) },
		})
	},
	"coder": func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
		if err != nil {
			return
		}
		ctx := context.Background()
		write := func() error { return c.Write(ctx, websocket.MessageBinary, message()) }
		until(func() error { _, _, err := c.Read(ctx); return err }, func() { _ = c.CloseNow() }, []func() error{write, write, write})
	},
}

// until runs what writes until what reads fails.
func until(read func() error, end func(), writers []func() error) {
	var all sync.WaitGroup
	for _, write := range writers {
		all.Go(func() {
			for write() == nil {
			}
		})
	}
	for read() == nil {
	}
	end()
	all.Wait()
}

// Trap 36: Shutdown does not know hijacked connections. Each client gets whole
// frames, one Close frame with 1001, and nothing behind it.
func TestWebSocketsThatTalkAreToldToGoBetweenTwoFrames(t *testing.T) {
	for name, talker := range talkers {
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", deflate ", deflate), func(t *testing.T) {
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), talker).onTCP(t)
				var reading sync.WaitGroup
				streams := make([][]frame, 4)
				var first sync.WaitGroup
				for i := range streams {
					p := shake(t, s, "/", deflate)
					first.Add(1)
					reading.Go(func() {
						_, err := p.Peek(1)
						first.Done()
						require.NoError(t, err)
						streams[i] = readFrames(t, p)
					})
				}
				first.Wait() // each is being talked to
				require.NoError(t, s.hc.Drain(t.Context(), s.srv))
				reading.Wait()
				for _, frames := range streams {
					requireOneGoodbye(t, frames, 1001)
				}
			})
		}
	}
}

// Trap 36, with the libraries that people use on both ends.
func TestWebSocketsThatAreIdleAreToldToGo(t *testing.T) {
	servers := map[string]http.HandlerFunc{"coder": coderEchoes, "gorilla": gorillaEchoes}
	payload := bytes.Repeat([]byte("payload "), 1000)
	for name, server := range servers {
		t.Run(name+" and gorilla", func(t *testing.T) {
			s := newService(t, forDrain(health.DrainOptions{Wait: -1}), server).onTCP(t)
			c := dialGorilla(t, s, "/")
			require.NoError(t, c.WriteMessage(gorilla.TextMessage, payload))
			_, got, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, payload, got)
			done := s.begin(t.Context(), s.srv)
			requireGoneAway(t, c)
			require.NoError(t, result(t, done))
			requireEnded(t, c.NetConn())
		})
		t.Run(name+" and coder", func(t *testing.T) {
			s := newService(t, forDrain(health.DrainOptions{Wait: -1}), server).onTCP(t)
			c, _, err := websocket.Dial(t.Context(), "http://"+s.addr, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
			require.NoError(t, err)
			defer c.CloseNow()
			require.NoError(t, c.Write(t.Context(), websocket.MessageText, payload))
			_, got, err := c.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, payload, got)
			done := s.begin(t.Context(), s.srv)
			_, _, err = c.Read(t.Context())
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "%v", err)
			require.NoError(t, result(t, done))
		})
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", deflate ", deflate), func(t *testing.T) {
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), server).onTCP(t)
				p := shake(t, s, "/", deflate)
				done := s.begin(t.Context(), s.srv)
				frames := readFrames(t, p)
				require.NoError(t, result(t, done))
				require.Len(t, frames, 1)
				requireOneGoodbye(t, frames, 1001)
			})
		}
	}
}

func requireEnded(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	var network net.Error
	require.False(t, errors.As(err, &network) && network.Timeout(), "still open")
}
