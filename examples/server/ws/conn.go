package ws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	maxFrame   = 16 << 10         // bytes of a message from a client
	outboxSize = 64               // frames a listener may be behind, besides the buffers of TCP
	writeTime  = 10 * time.Second // for a client to take one frame
	postTime   = 10 * time.Second // for a message to be stored
	closeTime  = 3 * time.Second  // for the closing handshake
)

// conn is one listener. One goroutine reads, one writes; the writer also
// closes, so that no close frame gets lost behind another write.
type conn struct {
	hub       *Hub
	principal app.Principal
	ws        *websocket.Conn
	tcp       net.Conn

	outbox chan []byte
	ending chan websocket.CloseError
	ctx    context.Context
	cut    context.CancelFunc // ends everything at once, TCP included
}

func newConn(r *http.Request, h *Hub) *conn {
	c := &conn{
		hub:       h,
		principal: app.PrincipalFrom(r.Context()),
		outbox:    make(chan []byte, outboxSize),
		ending:    make(chan websocket.CloseError, 1),
	}
	// The context of a hijacked request says nothing about its connection.
	c.ctx, c.cut = context.WithCancel(context.WithoutCancel(r.Context()))
	return c
}

// Handler upgrades a request to a listener of the hub that posts to chat.
func (h *Hub) Handler(chat *app.Chat) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := h.join(r)
		if !ok {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "the chat has no place at the moment; try again later", http.StatusServiceUnavailable)
			return
		}
		defer h.leave(c)
		k := &keeper{ResponseWriter: w}
		var err error
		c.ws, err = websocket.Accept(k, r, &websocket.AcceptOptions{OriginPatterns: h.origins})
		if err != nil {
			return // Accept has answered
		}
		c.tcp = k.conn
		c.ws.SetReadLimit(maxFrame)

		var writer sync.WaitGroup
		defer writer.Wait()
		writer.Go(c.write)
		defer c.end(websocket.StatusInternalError, "") // seen only after a panic: the first end counts
		c.read(chat)
	})
}

// send puts a frame into the outbox. It never waits.
func (c *conn) send(frame []byte) {
	select {
	case c.outbox <- frame:
	default:
		c.end(websocket.StatusTryAgainLater, "too slow")
	}
}

// end asks the writer to close. The first reason counts.
func (c *conn) end(code websocket.StatusCode, reason string) {
	select {
	case c.ending <- websocket.CloseError{Code: code, Reason: reason}:
	default:
	}
}

func (c *conn) write() {
	ping := time.NewTicker(c.hub.pingEvery)
	defer ping.Stop()
	age := time.NewTimer(c.hub.maxAge)
	defer age.Stop()
	var pings sync.WaitGroup
	defer pings.Wait()
	for {
		select {
		case e := <-c.ending:
			c.close(e)
			return
		case <-age.C:
			c.close(websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "come back to renew the login"})
			return
		case <-ping.C:
			pings.Go(c.ping) // aside, as messages must not wait for the pong
		case frame := <-c.outbox:
			ctx, cancel := context.WithTimeout(c.ctx, writeTime)
			err := c.ws.Write(ctx, websocket.MessageText, frame)
			cancel()
			if err != nil {
				_ = c.ws.CloseNow()
				return
			}
		}
	}
}

// close runs the closing handshake (RFC 6455 §7.1.2). It is bounded below the
// websocket package, which knows no context here and waits without a deadline
// for the rest of a frame that it has begun to read.
func (c *conn) close(e websocket.CloseError) {
	_ = c.tcp.SetDeadline(time.Now().Add(closeTime))
	defer context.AfterFunc(c.ctx, func() { _ = c.tcp.Close() })()
	_ = c.ws.Close(e.Code, e.Reason)
}

func (c *conn) ping() {
	ctx, cancel := context.WithTimeout(c.ctx, c.hub.pingEvery)
	defer cancel()
	if c.ws.Ping(ctx) != nil {
		_ = c.ws.CloseNow()
	}
}

// read takes one frame after another until the connection ends. While a message
// is being stored, and until its PostEvery is over, TCP holds the client back.
func (c *conn) read(chat *app.Chat) {
	pace := time.NewTicker(c.hub.postEvery)
	defer pace.Stop()
	for {
		kind, data, err := c.ws.Read(c.ctx)
		switch {
		case err != nil:
			// Still there is only a peer that broke the protocol.
			c.end(websocket.StatusProtocolError, "")
			return
		case kind != websocket.MessageText:
			c.end(websocket.StatusUnsupportedData, "send text")
			return
		case !utf8.Valid(data): // RFC 6455 §8.1
			c.end(websocket.StatusInvalidFramePayloadData, "send UTF-8")
			return
		}
		if err := c.post(chat, data); err != nil {
			c.send(encode(c.explain(err)))
		}
		select {
		case <-pace.C:
		case <-c.ctx.Done():
		}
	}
}

type input struct {
	Body string `json:"body"`
}

func (c *conn) post(chat *app.Chat, data []byte) error {
	if err := c.principal.Require(app.RoleAuthenticated); err != nil {
		return err
	}
	var in input
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return app.Errorf(app.CodeMalformed, `send an object like {"body":"hello"}`)
	}
	if _, err := d.Token(); err != io.EOF {
		return app.Errorf(app.CodeMalformed, "send one object per message")
	}
	ctx, cancel := context.WithTimeout(c.ctx, postTime)
	defer cancel()
	_, err := chat.Post(ctx, app.Message{Username: c.principal.Username, Type: "text", Body: in.Body})
	return err
}

// explain returns the public side of err and logs the private one.
func (c *conn) explain(err error) errorFrame {
	var e *app.Error
	if !errors.As(err, &e) || e.Code == app.CodeInternal {
		e = &app.Error{Message: "the message could not be stored", Cause: err}
	}
	if e.Cause != nil {
		c.hub.logger.LogAttrs(c.ctx, slog.LevelError, "chat message not stored",
			slog.String("username", c.principal.Username), slog.Any("error", e.Cause))
	}
	return errorFrame{Kind: "error", Message: e.Message, Errors: e.Fields}
}

// keeper remembers the connection that Accept hijacks.
type keeper struct {
	http.ResponseWriter
	conn net.Conn
}

func (k *keeper) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(k.ResponseWriter).Hijack()
	k.conn = conn
	return conn, rw, err
}
