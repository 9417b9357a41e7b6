package secheaders

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// reportBuffers are the lengths of the buffers a body is read into, one after the
// other, with a byte to see that a body is too long. Every place of MaxBusy may have
// the first; larger ones come out of maxLongBodies, so that clients that stall in
// long batches hold up nobody but each other.
var reportBuffers = [...]int{maxReportSize + 1, 4*maxReportSize + 1, maxBatchSize + 1}

const (
	maxLongBodies     = 4 << 20         // bytes of all larger buffers together
	reportReadTimeout = 5 * time.Second // for a body to arrive
)

var reportBufferPools [len(reportBuffers)]sync.Pool

// reportBody is the body of one request.
type reportBody struct {
	buffer *[]byte
	class  int
	n      int           // bytes of the body in it
	long   *atomic.Int64 // bytes of larger buffers in use
}

func (b *reportBody) bytes() []byte { return (*b.buffer)[:b.n] }

// read reads src to its end. The buffer grows with what has arrived, not with what
// was announced. The caller frees b in any case.
func (b *reportBody) read(src io.Reader) dropReason {
	b.take(0)
	for {
		n, err := src.Read((*b.buffer)[b.n:])
		b.n += n
		if err != nil && err != io.EOF {
			return dropBroken
		}
		if b.n == len(*b.buffer) {
			if reason := b.grow(); reason != kept {
				return reason
			}
		}
		if err == io.EOF {
			return kept
		}
	}
}

// grow moves to the next buffer, for a batch.
func (b *reportBody) grow() dropReason {
	if b.class == len(reportBuffers)-1 || !isBatch(b.bytes()) {
		return dropTooLarge
	}
	size := int64(reportBuffers[b.class+1])
	if b.long.Add(size) > maxLongBodies {
		b.long.Add(-size)
		return dropBusy
	}
	small := *b
	b.take(b.class + 1)
	copy(*b.buffer, small.bytes())
	small.free()
	return kept
}

func (b *reportBody) take(class int) {
	b.class = class
	if pooled, ok := reportBufferPools[class].Get().(*[]byte); ok {
		b.buffer = pooled
		return
	}
	fresh := make([]byte, reportBuffers[class])
	b.buffer = &fresh
}

// free gives the buffer back. Nobody may use it any more.
func (b *reportBody) free() {
	if b.buffer == nil {
		return
	}
	reportBufferPools[b.class].Put(b.buffer)
	if b.class > 0 {
		b.long.Add(-int64(len(*b.buffer)))
	}
	b.buffer = nil
}

// limitReading gives the body its time, but no more than the server does: also one
// that is not read here, as the server reads what is left of it. The server ends the
// deadline itself, with the body; where there is none it would end the connection.
// Writers that know no deadlines leave it to the server.
func limitReading(rc *http.ResponseController, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if srv != nil && srv.ReadTimeout > 0 && srv.ReadTimeout < reportReadTimeout {
		return
	}
	_ = rc.SetReadDeadline(time.Now().Add(reportReadTimeout))
}
