package diskstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

// source reads the bytes of a file that is coming in. It stops at the first
// byte too many and when its context ends, and keeps its error, so that a
// failure to read is told from one to write.
type source struct {
	ctx context.Context
	r   io.Reader
	max int64
	n   int64
	err error // io.EOF at the end
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = fmt.Errorf("diskstore: %w", err)
		return 0, s.err
	}
	if room := s.max - s.n; int64(len(p))-1 > room {
		p = p[:room+1]
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch {
	case s.n > s.max:
		s.err = app.Errorf(app.CodeTooLarge, "a file may have at most %d bytes", s.max)
	case err != nil && err != io.EOF:
		s.err = interrupted(s.ctx, err)
	default:
		s.err = err
	}
	return n, s.err
}

// failed reports whether the end was not a good one.
func (s *source) failed() bool { return s.err != nil && s.err != io.EOF }

// interrupted explains why a sender's bytes ended. One that explains itself is
// left alone.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("diskstore: %w", ctx.Err())
	}
	if _, ok := errors.AsType[*app.Error](err); ok {
		return err
	}
	return &app.Error{Code: app.CodeMalformed, Message: "the file broke off", Cause: err}
}

// sniffed is how many bytes tell the type of a file, as in
// http.DetectContentType.
const sniffed = 512

// typeOf returns the media type of a file that begins with head, without
// parameters: a charset is a guess. Text that begins with a tag counts as HTML,
// since not every tag is in the table of signatures that is behind
// http.DetectContentType (mimesniff.spec.whatwg.org §7.1): SVG is not.
func typeOf(head []byte) string {
	mediaType, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if mediaType == "text/plain" && beginsWithTag(head) {
		return "text/html"
	}
	return mediaType
}

// beginsWithTag looks past white space and byte order marks, and past the zero
// bytes of UTF-16.
func beginsWithTag(head []byte) bool {
	const skipped = " \t\n\f\r\x00\xef\xbb\xbf\xfe\xff"
	i := slices.IndexFunc(head, func(b byte) bool { return strings.IndexByte(skipped, b) < 0 })
	if i < 0 || head[i] != '<' {
		return false
	}
	next := bytes.TrimLeft(head[i+1:], "\x00")
	return len(next) == 0 || strings.IndexByte("!/?", next[0]) >= 0 || 'a' <= next[0]|0x20 && next[0]|0x20 <= 'z'
}
