package health

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// goingAway is a Close frame with the status 1001 (RFC 6455 §5.5.1, §7.4.1).
var goingAway = []byte{0x88, 0x02, 0x03, 0xe9}

// frames follows what a server sends on a connection that was taken over, to
// know where a WebSocket frame ends: only there another one may begin (RFC 6455
// §5.4 lets control frames stand between the fragments of a message).
type frames struct {
	mode mode
	head []byte // of the answer, or of a frame, as far as it is there
	left uint64 // bytes of the frame that are still to come
}

type mode int

const (
	answering mode = iota // the handler writes the answer itself
	framed                // a WebSocket, with frames
	opaque                // something else, or a WebSocket that has ended
)

// between reports whether a frame may be put in here.
func (f *frames) between() bool { return f.mode == framed && f.left == 0 && len(f.head) == 0 }

// opaque reports whether there is nothing to follow.
func (f *frames) opaque() bool { return f.mode == opaque }

// sent takes notice of bytes that were sent.
func (f *frames) sent(p []byte) {
	for len(p) > 0 {
		switch f.mode {
		case answering:
			p = f.answer(p)
		case framed:
			p = f.frame(p)
		default:
			return
		}
	}
}

const maxHead = 8 << 10 // bytes of an answer that is an upgrade

// answer looks for the end of the header and decides what follows it.
func (f *frames) answer(p []byte) (rest []byte) {
	held := len(f.head)
	f.head = append(f.head, p[:min(len(p), maxHead-held)]...)
	end := bytes.Index(f.head, []byte("\r\n\r\n"))
	switch {
	case end >= 0:
		f.mode = opaque
		if isUpgrade(string(f.head[:end])) {
			f.mode = framed
		}
		f.head = nil
		return p[end+4-held:]
	case len(f.head) == maxHead:
		f.mode, f.head = opaque, nil
	}
	return nil
}

// isUpgrade reports whether the header of an answer begins a WebSocket (RFC 6455
// §4.2.2).
func isUpgrade(head string) bool {
	status, fields, _ := strings.Cut(head, "\r\n")
	if !strings.HasPrefix(status, "HTTP/1.1 101") {
		return false
	}
	var upgrade []string
	for line := range strings.SplitSeq(fields, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && http.CanonicalHeaderKey(name) == "Upgrade" {
			upgrade = append(upgrade, value)
		}
	}
	return httpheader.HasToken(upgrade, "websocket")
}

// frame goes on in a frame, or begins one.
func (f *frames) frame(p []byte) (rest []byte) {
	if f.left > 0 {
		n := min(f.left, uint64(len(p)))
		f.left -= n
		return p[n:]
	}
	f.head = append(f.head, p[0])
	if len(f.head) >= 2 && len(f.head) == headerSize(f.head[1]) {
		const opcode, closing = 0x0f, 8
		if f.head[0]&opcode == closing { // the handler says goodbye itself
			f.mode = opaque
		}
		f.left = payload(f.head)
		f.head = f.head[:0]
	}
	return p[1:]
}

const maskBit = 0x80

// headerSize is the size of a frame's header by its second byte (RFC 6455 §5.2).
func headerSize(b byte) int {
	size := 2
	switch b &^ maskBit {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if b&maskBit != 0 { // no server masks, but what is there is there
		size += 4
	}
	return size
}

// payload is the length that a complete header tells.
func payload(head []byte) uint64 {
	switch n := head[1] &^ maskBit; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		return binary.BigEndian.Uint64(head[2:])
	default:
		return uint64(n)
	}
}
