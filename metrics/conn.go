package metrics

import (
	"io"
	"net"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/respw"
)

// conn counts a connection that a handler took over.
type conn struct {
	net.Conn
	series *sockets
	since  respw.Instant
	closed atomic.Bool
}

func newConn(nc net.Conn, s *sockets) *conn {
	return &conn{Conn: nc, series: s, since: respw.Now()}
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.series.received.Add(float64(n))
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.series.sent.Add(float64(n))
	return n, err
}

// Close may be called more than once, and while others read or write.
func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.series.active.Dec()
		c.series.duration.Observe(c.since.Elapsed().Seconds())
	}
	return c.Conn.Close()
}

// NetConn is the connection underneath, as tls.Conn has it. What is done to it
// is not counted.
func (c *conn) NetConn() net.Conn { return c.Conn }

// copyPiece is how much a tunnel moves between two counts.
const copyPiece = 1 << 20

// ReadFrom leaves copying to the kernel where it can do that.
func (c *conn) ReadFrom(src io.Reader) (int64, error) {
	return pieces(c.Conn, src, func(n int64) { c.series.sent.Add(float64(n)) })
}

// WriteTo is ReadFrom the other way.
func (c *conn) WriteTo(dst io.Writer) (int64, error) {
	return pieces(dst, c.Conn, func(n int64) { c.series.received.Add(float64(n)) })
}

func pieces(dst io.Writer, src io.Reader, count func(int64)) (total int64, err error) {
	for {
		piece := io.LimitedReader{R: src, N: copyPiece}
		n, err := io.Copy(dst, &piece)
		count(n)
		total += n
		if err != nil || piece.N > 0 {
			return total, err
		}
	}
}
