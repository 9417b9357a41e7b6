package metrics

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// body counts what is read of a request body: what was only declared, or left
// unread, was not uploaded. It goes into copies of the server's request. In its
// own the body must stay what it is: net/http looks at its type when it decides
// about 100 Continue (RFC 9110 §10.1.1).
type body struct {
	io.ReadCloser
	read atomic.Int64
	late atomic.Bool // the server's time for reading it was over
}

// hasBody relies on the server, which sets -1 for an unknown length. HTTP/2 has
// a Body for every request.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		b.late.Store(true)
	}
	return n, err
}

func (b *body) isLate() bool { return b != nil && b.late.Load() }

func (b *body) bytes() int64 {
	if b == nil {
		return 0
	}
	return b.read.Load()
}
