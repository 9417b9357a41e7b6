package compress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// Answer is what a client has when a server answered it.
type Answer struct {
	Status int
	Coding string
	Sent   int    // bytes of the body on the wire
	Body   []byte // decoded
	// Behind is how many times the handler flushed and what it had written by then
	// could not be decoded.
	Behind int
}

// Ask sends the request of a case.
func Ask(h http.Handler, c harness.Case) (Answer, error) {
	r := httptest.NewRequestWithContext(context.Background(), c.Method, c.Target, nil)
	for name, values := range c.Header {
		if values != nil {
			r.Header[name] = values
		}
	}
	w := &recorder{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, r)
	a := Answer{Status: w.Code, Coding: w.Header().Get("Content-Encoding"), Sent: w.Body.Len()}
	var err error
	a.Body, err = decoded(a.Coding, w.Body.Bytes())
	if err != nil {
		return a, fmt.Errorf("%s: %w", c.Name, err)
	}
	if c.Name == stream {
		a.Behind = w.behind(a.Coding)
	}
	return a, nil
}

// recorder notes how much has been written at each flush.
type recorder struct {
	*httptest.ResponseRecorder
	flushed []int
}

func (w *recorder) Flush() { _ = w.FlushError() }

func (w *recorder) FlushError() error {
	w.ResponseRecorder.Flush()
	w.flushed = append(w.flushed, w.Body.Len())
	return nil
}

func (w *recorder) behind(coding string) (events int) {
	events = eventCount
	for _, end := range w.flushed {
		body, _ := decoded(coding, w.Body.Bytes()[:end]) // its end is missing
		if len(body)%eventSize == 0 && len(body) > 0 {
			events--
		}
	}
	return events
}

// decoded returns as much as there is, with an error if the end is missing.
func decoded(coding string, body []byte) ([]byte, error) {
	source := bytes.NewReader(body)
	switch coding {
	case "":
		return body, nil
	case gzipped:
		r, err := gzip.NewReader(source)
		if err != nil {
			return nil, err
		}
		r.Multistream(false) // browsers stop after the first member
		plain, err := io.ReadAll(r)
		if err == nil && source.Len() > 0 {
			err = errors.New("something follows the first member")
		}
		return plain, err
	case brotlied:
		return io.ReadAll(brotli.NewReader(source))
	case zstded:
		r, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	default:
		return nil, fmt.Errorf("coding %q", coding)
	}
}
