package respw

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"syscall"
)

// HijackedConn is a connection that a [Watcher] puts in the place of a hijacked one.
type HijackedConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	NetConn() net.Conn // the connection underneath, as tls.Conn has it
}

// Shape returns c with the further methods of the connection underneath that
// handlers of upgraded connections ask for.
func Shape(c HijackedConn) net.Conn {
	half, canHalf := c.NetConn().(closeWriter)
	raw, isRaw := c.NetConn().(syscall.Conn)
	switch {
	case canHalf && isRaw:
		return struct {
			HijackedConn
			closeWriter
			syscall.Conn
		}{c, half, raw}
	case canHalf:
		return struct {
			HijackedConn
			closeWriter
		}{c, half}
	default:
		return c
	}
}

type closeWriter interface{ CloseWrite() error }

// Rebuffer lets the buffers of a hijacked connection read from and write to c,
// and keeps what the reader holds.
func Rebuffer(rw *bufio.ReadWriter, c net.Conn) {
	if rw == nil {
		return
	}
	if rw.Reader != nil {
		held, _ := rw.Peek(rw.Reader.Buffered())
		held = bytes.Clone(held)
		rw.Reader.Reset(io.MultiReader(bytes.NewReader(held), c))
		_, _ = rw.Peek(len(held)) // as some ask whether there is any
	}
	if rw.Writer != nil && rw.Writer.Buffered() == 0 {
		rw.Writer.Reset(c)
	}
}
