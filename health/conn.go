package health

import (
	"context"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection that a handler took over. The server forgets it, so that
// http.Server.Shutdown neither waits for it nor closes it.
type conn struct {
	net.Conn
	all     *conns
	leaving atomic.Bool // it is to end at the next boundary between frames
	closed  atomic.Bool

	mu     sync.Mutex // held while something is written
	frames frames
	said   bool // goodbye was sent; what the handler writes now is not
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	c.farewell() // if it was asked for meanwhile
	return n, err
}

// write passes on what the handler writes. After the Close frame no other frame
// may follow (RFC 6455 §5.5.1): the handler is left in the belief that it wrote,
// as it is about to read that the peer closed, too, or that we did.
func (c *conn) write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.said && c.closed.Load():
		return 0, net.ErrClosed // for a handler that only writes
	case c.said:
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	c.frames.sent(p[:n])
	return n, err
}

// goAway asks the peer to end a WebSocket. It does not wait for a handler that
// is writing; that one does it when it is done.
func (c *conn) goAway() {
	c.leaving.Store(true)
	c.farewell()
}

// goodbyeTime bounds how long a Close frame waits for a peer that reads nothing.
const goodbyeTime = time.Second

// farewell sends the Close frame if the time for it has come.
func (c *conn) farewell() {
	// Asked again after every unlock: whoever finds the lock taken relies on it.
	for c.leaving.Load() && c.mu.TryLock() {
		if c.said || !c.frames.between() {
			c.mu.Unlock()
			return
		}
		c.said = true
		_ = c.SetWriteDeadline(time.Now().Add(goodbyeTime))
		_, _ = c.Conn.Write(goingAway)
		c.mu.Unlock()
	}
}

// Close may be called more than once, and while others read or write.
func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.all.forget(c)
	}
	return c.Conn.Close()
}

// cut ends the connection for a peer that may not read, beginning at the
// bottom: the Close of TLS would wait 5 s to say so.
func (c *conn) cut() {
	bottom := c.Conn
	for {
		over, ok := bottom.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		bottom = over.NetConn()
	}
	_ = bottom.Close()
	_ = c.Close()
}

// NetConn is the connection underneath, as tls.Conn has it.
func (c *conn) NetConn() net.Conn { return c.Conn }

// ReadFrom leaves copying to the kernel where nobody has to look at the bytes.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	c.mu.Lock()
	opaque := c.frames.opaque()
	c.mu.Unlock()
	c.farewell()
	if opaque {
		return io.Copy(c.Conn, src)
	}
	return io.Copy(struct{ io.Writer }{c}, src)
}

// WriteTo is ReadFrom the other way, where nothing is looked at.
func (c *conn) WriteTo(dst io.Writer) (int64, error) { return io.Copy(dst, c.Conn) }

// conns are the connections that handlers took over.
type conns struct {
	mu     sync.Mutex
	open   map[*conn]struct{}
	ending bool          // new ones are to leave at once
	empty  chan struct{} // closed when the last one has left after that
}

func (s *conns) follow(nc net.Conn, as mode) *conn {
	c := &conn{Conn: nc, all: s}
	c.frames.mode = as
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*conn]struct{}{}
	}
	s.open[c] = struct{}{}
	c.leaving.Store(s.ending)
	return c
}

func (s *conns) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *conns) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// goAway tells all WebSockets, now and later, that it is time to go. Each gets a
// goroutine, as a peer that does not read must not keep the others waiting.
func (s *conns) goAway() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	var told sync.WaitGroup
	for _, c := range s.list() {
		told.Go(c.goAway)
	}
	told.Wait()
}

// endWait is how long peers and handlers get to end a connection by themselves.
const endWait = 3 * time.Second

// end waits for the connections to be closed until ctx ends, closes the rest, and
// returns how many those were.
func (s *conns) end(ctx context.Context) int {
	s.mu.Lock()
	var empty chan struct{}
	if len(s.open) > 0 {
		empty = make(chan struct{})
		s.empty = empty
	}
	s.mu.Unlock()
	if empty == nil {
		return 0
	}
	select {
	case <-empty:
		return 0
	case <-ctx.Done():
	}
	rest := s.list()
	for _, c := range rest {
		c.cut()
	}
	return len(rest)
}
