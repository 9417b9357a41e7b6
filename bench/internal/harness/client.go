package harness

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// browser is the header of a page's fetch of something of its own site.
const browser = `User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: application/json, text/plain, */*
Accept-Language: en-GB,en;q=0.7,de;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Referer: https://shop.example.com/things
Connection: keep-alive
Cookie: session=8f1c0f3bb2e94d0c9e0c6a2f7f2f4d11; theme=dark
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: cors
Sec-Fetch-Site: same-origin
`

// Case is one kind of request.
type Case struct {
	Name    string
	Method  string
	Target  string
	Header  http.Header // added to that of a browser; a field without values is left out
	Body    []byte
	Clients int // at the same time; 0 is one, without a goroutine of its own
	// NewHeader makes the header of each answer a new map, as the server's is. Without
	// it a client keeps one, whose room the first answer pays for.
	NewHeader bool
}

// Client sends the same request again and again, as one connection does.
type Client struct {
	req    *http.Request
	body   *body
	cancel context.CancelFunc
	fresh  bool
	writer writer
	_      [64]byte // clients of several cores do not share a cache line
}

// NewClient returns a client of c. [Client.Close] ends its requests' context.
func NewClient(c Case) (*Client, error) {
	text := fmt.Sprintf("%s %s HTTP/1.1\nHost: shop.example.com\n%s", c.Method, c.Target, browser)
	if c.Body != nil {
		text += fmt.Sprintf("Content-Type: application/json\nContent-Length: %d\n", len(c.Body))
	}
	// The server's own parser fills in all that a handler may look at.
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text+"\n", "\n", "\r\n"))))
	if err != nil {
		return nil, fmt.Errorf("harness: %s: %w", c.Name, err)
	}
	for name, values := range c.Header {
		if req.Header[name] = values; values == nil {
			delete(req.Header, name)
		}
	}
	req.RemoteAddr = "203.0.113.7:49152"
	client := &Client{fresh: c.NewHeader, writer: writer{header: http.Header{}}}
	if c.Body != nil {
		client.body = &body{content: c.Body}
		req.Body = client.body
	}
	// The same nesting as the server's: what a context costs depends on it.
	ctx := context.WithValue(context.Background(), http.ServerContextKey, &http.Server{})
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}))
	ctx, client.cancel = context.WithCancel(ctx)
	client.req = req.WithContext(ctx)
	return client, nil
}

// Do has h answer one request.
func (c *Client) Do(h http.Handler) {
	if c.body != nil {
		c.body.rest.Reset(c.body.content)
	}
	if c.fresh {
		c.writer.header = make(http.Header)
	}
	h.ServeHTTP(&c.writer, c.req)
}

// Answered is the number of bytes of all answers.
func (c *Client) Answered() int64 { return c.writer.n }

// Close ends the context of the requests.
func (c *Client) Close() { c.cancel() }

// body can be read again. It has no WriteTo, as the server's has none.
type body struct {
	content []byte
	rest    bytes.Reader
}

func (b *body) Read(p []byte) (int, error) { return b.rest.Read(p) }
func (b *body) Close() error               { return nil }

// writer discards. It has the optional interfaces of the writer of net/http's
// HTTP/1 server, all of them: a wrapper has to keep each.
type writer struct {
	header http.Header
	n      int64
	empty  bool // a status without a body was sent
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	w.empty = w.empty || status == http.StatusNoContent
}

func (w *writer) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}

func (w *writer) WriteString(s string) (int, error) {
	w.n += int64(len(s))
	return len(s), nil
}

func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(io.Discard, r)
	w.n += n
	return n, err
}

func (w *writer) Flush()            {}
func (w *writer) FlushError() error { return nil }

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

func (w *writer) CloseNotify() <-chan bool         { return nil }
func (w *writer) SetReadDeadline(time.Time) error  { return nil }
func (w *writer) SetWriteDeadline(time.Time) error { return nil }
func (w *writer) EnableFullDuplex() error          { return nil }
