package compress_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// differ runs p plain and behind a Compressor and holds the answers against each
// other. It returns the coding of the compressed one.
func (w *world) differ(t testing.TB, p program) string {
	plain, ours := w.ask(t, p, false), w.ask(t, p, true)
	c := comparison{require.New(t), p, &plain.actor, plain, ours}
	c.Equal(plain.interim, ours.interim, "informational responses\n%s", p)
	c.results()
	coding := c.answers()
	if p.method == http.MethodHead {
		p.method = http.MethodGet
		c.headIsGet(w.ask(t, p, true))
	}
	return coding
}

// comparison is of two answers to one program. model is the program as net/http
// has played it.
type comparison struct {
	*require.Assertions
	program
	model       *actor
	plain, ours *sight
}

// results compares what the handler has seen. net/http itself is not exact in
// three cases: sendfile goes past a Content-Length, and HTTP/2 looks at the length
// only once its buffer is full: from there on nothing is compared. The writes of an
// answer to HEAD on HTTP/2 are short, fail or do not, by chance.
func (c *comparison) results() {
	if c.unreadable() || c.h2 && c.method == http.MethodHead {
		return
	}
	var attempted, declared int64 = 0, c.model.declared
	c.Equal(len(c.model.results), len(c.ours.actor.results), "%s", c)
	for i, want := range c.model.results {
		got := c.ours.actor.results[i]
		if want.size > 0 {
			attempted += int64(want.size)
			if declared >= 0 && attempted > declared && (c.h2 || c.model.overCopy) {
				return
			}
		}
		c.Equal(want, got, "%s", c)
	}
}

// unreadable: net/http sends what is no length, if there is no body, and its own
// client refuses it.
func (c *comparison) unreadable() bool {
	v := c.model.header.Get("Content-Length")
	return v != "" && c.model.declared < 0 && (c.method == http.MethodHead || c.model.bodyless())
}

// answers compares what the client has got.
func (c *comparison) answers() (coding string) {
	if c.unreadable() {
		return ""
	}
	if c.model.ended == endPanic && c.recovers && c.clean() {
		return ""
	}
	if c.model.ended != endReturn {
		c.broken()
		return ""
	}
	if c.model.overran && (c.h2 || c.model.overCopy) {
		c.prefix()
		return ""
	}
	if c.method == http.MethodGet {
		c.Equal(c.plain.cut(), c.ours.cut(), "cut: %v %v, %v %v\n%s", c.plain.err, c.plain.bodyErr, c.ours.err, c.ours.bodyErr, c)
	}
	if c.method == http.MethodHead || c.plain.err == nil {
		c.NoError(c.ours.err, "%s", c)
	}
	if c.plain.err == nil && c.ours.err == nil {
		c.Equal(c.plain.status, c.ours.status, "%s", c)
		c.headers()
	}
	if c.ours.cut() {
		c.prefix()
		return ""
	}
	c.body()
	c.trailers()
	return c.coding()
}

// clean is for a handler that panicked with a recoverer further out. As long as
// nothing has left, and with a Compressor that is later than without one, the
// client gets a clean 500 with nothing of ours (trap d.24). It reports whether
// that is so.
func (c *comparison) clean() bool {
	if c.mustHold() {
		c.False(c.ours.committed, "nothing should have left\n%s", c)
	}
	if !c.plain.committed {
		c.False(c.ours.committed, "%s", c)
		c.isClean(c.plain)
	}
	if !c.ours.committed {
		c.isClean(c.ours)
	}
	return !c.ours.committed
}

func (c *comparison) isClean(a *sight) {
	header, body := cleanHeader(c.model.atPanic, httptest.NewRequest(c.method, "/", nil))
	c.NoError(a.err, "%s", c)
	c.Equal(http.StatusInternalServerError, a.status, "%s", c)
	a.header.Del("Date")
	a.header.Del("Connection")
	for name := range header {
		if !slices.Contains([]string{"Trailer"}, name) {
			c.Equal(header[name], a.header[name], "%s\n%s", name, c)
		}
	}
	for name := range a.header {
		c.Contains(header, name, "%s", c)
	}
	if c.method == http.MethodGet {
		c.Equal(string(body), string(a.raw), "%s", c)
	} else {
		c.Empty(a.raw, "%s", c)
	}
}

// broken is for a handler that panicked without a clean end. The client sees it,
// but where it has got all of a Content-Length, which depends on how much the
// server's buffer holds back. A HEAD has no body to be cut.
func (c *comparison) broken() {
	if c.method == http.MethodHead {
		return
	}
	all := c.coding() == "" && c.ours.err == nil && int64(len(c.ours.raw)) == c.ours.length
	if c.plain.cut() && !all {
		c.True(c.ours.cut(), "the client does not see that the body is cut\n%s", c)
	}
	c.prefix()
}

// prefix: what there is of a cut body is right, and an encoded one has no end
// (trap d.24).
func (c *comparison) prefix() {
	if c.ours.err != nil {
		return
	}
	got, err := decodeAll(c.ours.header.Get("Content-Encoding"), c.coding() != "", c.ours.raw)
	if c.coding() != "" && c.ours.cut() && len(c.ours.raw) > 0 {
		c.Error(err, "a cut body has an end\n%s", c)
	}
	c.True(bytes.HasPrefix(c.ours.actor.body, got) || c.model.overran && bytes.HasPrefix(got, c.ours.actor.body), "%d of %d bytes\n%s", len(got), len(c.ours.actor.body), c)
}

// coding is the content coding that is ours.
func (c *comparison) coding() string {
	if c.ours.err != nil || c.ours.header.Get("Content-Encoding") == c.model.header.Get("Content-Encoding") {
		return ""
	}
	return c.ours.header.Get("Content-Encoding")
}

func (c *comparison) body() {
	if c.method == http.MethodHead || c.model.bodyless() {
		c.Empty(c.ours.raw, "%s", c)
		return
	}
	got, err := decodeAll(c.coding(), c.coding() != "", c.ours.raw)
	c.NoError(err, "%s", c)
	c.True(bytes.Equal(c.plain.raw, got), "%d bytes, not %d\n%s", len(got), len(c.plain.raw), c)
	c.True(bytes.Equal(c.ours.actor.body, got), "%d bytes, not %d\n%s", len(got), len(c.ours.actor.body), c)
}

// decodeAll reads a body with decoders of others. gzip is one member (trap d.29), and
// a window of zstd is no larger than the option (trap d.30).
func decodeAll(coding string, encoded bool, raw []byte) (body []byte, err error) {
	src := bytes.NewReader(raw)
	switch {
	case !encoded:
		return raw, nil
	case coding == "gzip":
		r, err := gzip.NewReader(src)
		if err != nil {
			return nil, err
		}
		r.Multistream(false)
		body, err = io.ReadAll(r)
		if err == nil && src.Len() > 0 {
			err = io.ErrNoProgress
		}
		return body, err
	case coding == "br":
		return io.ReadAll(brotli.NewReader(src))
	default:
		r, err := zstd.NewReader(src, zstd.WithDecoderMaxWindow(128<<10), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
}

// trailers are kept (trap d.21), but for digests of what is no longer sent (trap
// d.20). Where the plain server has sent a length on HTTP/1.1, which leaves no
// place for trailers, those of the handler may be there with us.
func (c *comparison) trailers() {
	want := c.plain.trailer.Clone()
	for name := range c.ours.trailer {
		if !c.h2 && c.plain.length >= 0 {
			want[name] = c.ours.trailer[name]
		}
	}
	if c.coding() != "" {
		for _, name := range digestNames {
			want.Del(name)
			c.Empty(c.ours.trailer[name], "%s", c)
		}
	}
	c.Equal(want, c.ours.trailer, "trailers\n%s", c)
}

var digestNames = []string{"Content-Digest", "Repr-Digest", "Digest", "Content-Md5"}

// headIsGet: an answer to HEAD has the header of that to GET (trap d.11). It may
// have no length, and a body that is too long to be kept back is not tried: it is
// taken to get smaller. Without a body there is nothing to compare: a handler may
// leave it out for HEAD.
func (c *comparison) headIsGet(get *sight) {
	if c.model.ended != endReturn || c.ours.cut() || get.cut() || len(get.actor.body) == 0 || c.model.overran {
		return
	}
	head := c.ours
	c.Equal(get.status, head.status, "%s", c)
	if head.header.Get("Content-Encoding") != get.header.Get("Content-Encoding") {
		c.Greater(len(get.actor.body), c.bufferSize(), "the coding of HEAD is %q\n%s", head.header.Get("Content-Encoding"), c)
		c.True(c.model.random || c.model.off, "%s", c)
		return
	}
	for name := range get.header {
		if !slices.Contains([]string{"Date", "Trailer", "Content-Length"}, name) {
			c.Equal(get.header[name], head.header[name], "HEAD and GET: %s\n%s", name, c)
		}
	}
	for name := range head.header {
		if name != "Trailer" && name != "Content-Length" {
			c.Contains(get.header, name, "HEAD and GET\n%s", c)
		}
	}
	if head.length >= 0 && get.length >= 0 && c.options != paddingOptions {
		c.Equal(get.length, head.length, "HEAD and GET\n%s", c)
	}
}

const paddingOptions = 3 // of worldOptions: a random length
