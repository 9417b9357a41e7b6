package compress_test

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// headers compares two headers: each field has a rule, mostly that it is the same.
func (c *comparison) headers() {
	coding := c.coding()
	c.mayEncode(coding)
	c.vary()
	c.tag(coding)
	c.length(coding)
	special := map[string]bool{"Date": true, "Trailer": true, "Content-Length": true, "Vary": true, "Etag": true}
	if coding != "" {
		special["Content-Encoding"] = true
		for _, name := range append([]string{"Accept-Ranges"}, digestNames...) { // traps d.19, d.20
			special[name] = true
			c.NotContains(c.ours.header, name, "%s", c)
			c.False(name != "Accept-Ranges" && httpheader.HasToken(c.ours.header["Trailer"], name), "%s", c)
		}
	}
	if c.incremental() && c.model.header["Content-Type"] == nil {
		special["Content-Type"] = true // sniffed from the first write alone
	}
	for name := range c.plain.header {
		if !special[name] {
			c.Equal(c.plain.header[name], c.ours.header[name], "%s\n%s", name, c)
		}
	}
	for name := range c.ours.header {
		if !special[name] {
			c.Contains(c.plain.header, name, "%s", c)
		}
	}
}

// mayEncode says what must not be encoded, and what must (trap d.8).
func (c *comparison) mayEncode(coding string) {
	h := c.model.header
	if coding == "" {
		c.False(c.mustEncode(), "the body should be encoded\n%s", c)
		return
	}
	c.Contains(accepts[c.accept].codings, coding, "%s", c)
	c.False(c.stays(), "%s", c)
	c.NotContains([]int{204, 205, 206, 304, 416}, c.ours.status, "%s", c)
	c.Empty(h.Get("Content-Encoding"), "%s", c)
	c.Empty(h["Content-Range"], "%s", c)
	c.False(httpheader.HasToken(h["Cache-Control"], "no-transform"), "%s", c)
	types, set := h["Content-Type"]
	c.False(set && len(types) == 0, "%s", c)
	c.NotContains([]string{"application/grpc", "multipart/byteranges"}, h.Get("Content-Type"), "%s", c)
	forced := accepts[c.accept].forced
	c.False(!forced && h.Get("Content-Type") == "image/png", "%s", c)
	if c.method == http.MethodHead {
		return
	}
	c.False(len(c.model.body) == 0 && !c.model.flushed, "an empty body is encoded\n%s", c)
	streams := c.model.flushed || c.incremental()
	c.False(!streams && !forced && len(c.model.body) < c.minSize(), "a short body is encoded\n%s", c)
	if c.ours.length >= 0 && !forced {
		longest := int64(len(c.model.body))
		if c.options == paddingOptions { // it counts for nothing here, and is 5 bytes longer than asked
			longest += 64 + 5
		}
		c.Less(c.ours.length, longest, "the body does not get smaller\n%s", c)
	}
}

func (c *comparison) incremental() bool {
	h := c.model.header
	return h.Get("Incremental") == "?1" || h.Get("X-Accel-Buffering") == "no"
}

// encodable reports, for the cases that leave no doubt, whether the header lets
// the body be encoded.
func (c *comparison) encodable() bool {
	return c.model.fixed && !c.model.off && c.welcome()
}

// welcome is encodable without a look at Off.
func (c *comparison) welcome() bool {
	h := c.model.header
	return len(accepts[c.accept].codings) > 0 &&
		slices.Contains([]int{200, 201, 404, 412, 500}, c.model.status) &&
		slices.Contains([]string{"text/html; charset=utf-8", "application/json", "text/event-stream"}, h.Get("Content-Type")) &&
		h.Get("Content-Encoding") == "" && !httpheader.HasToken(h["Cache-Control"], "no-transform") && h["Content-Range"] == nil
}

// stays is for answers that were declared off in time.
func (c *comparison) stays() bool {
	held := c.welcome() && !c.incremental() && (c.model.declared < 0 || c.model.declared >= 500)
	return c.model.offFirst || c.model.offSoon && held
}

// mustEncode is for bodies that are long enough and get smaller for sure.
func (c *comparison) mustEncode() bool {
	body := int64(len(c.model.body))
	return c.encodable() && !c.model.random && body >= 1000 && (c.model.declared < 0 || c.model.declared == body) && !c.model.overran
}

// mustHold is for answers of which nothing leaves before their handler ends.
func (c *comparison) mustHold() bool {
	return c.encodable() && !c.model.flushed && !c.incremental() && c.model.attempted <= int64(c.bufferSize()) &&
		(c.model.declared < 0 || c.model.declared >= 500)
}

// vary: what the handler has named stays, and Accept-Encoding is there once where
// another coding was possible (trap d.14).
func (c *comparison) vary() {
	theirs, ours := members(c.plain.header["Vary"]), members(c.ours.header["Vary"])
	if slices.Contains(theirs, "*") {
		c.Equal(theirs, ours, "Vary\n%s", c)
		return
	}
	without := func(list []string) []string {
		return slices.DeleteFunc(append([]string{}, list...), func(s string) bool { return s == "accept-encoding" })
	}
	c.Equal(without(theirs), without(ours), "Vary\n%s", c)
	count := len(ours) - len(without(ours))
	switch before := len(theirs) - len(without(theirs)); {
	case before > 0:
		c.Equal(before, count, "Vary\n%s", c)
	case c.stays() && !c.welcome(): // who takes no coding is told of those that others get
		c.LessOrEqual(count, 1, "Vary\n%s", c)
	case c.stays():
		c.Equal(0, count, "Vary\n%s", c)
	case c.model.status == 304 && c.model.header.Get("Content-Encoding") == "" && !httpheader.HasToken(c.model.header["Cache-Control"], "no-transform"):
		c.LessOrEqual(count, 1, "Vary\n%s", c) // its 200 may have had a coding
		c.True(count == 1 || c.model.off, "Vary\n%s", c)
	case c.coding() != "" || c.varies():
		c.Equal(1, count, "Vary\n%s", c)
	case slices.Contains([]int{204, 205, 304}, c.model.status) || c.model.header.Get("Content-Encoding") != "" || httpheader.HasToken(c.model.header["Cache-Control"], "no-transform"):
		c.Equal(0, count, "Vary\n%s", c)
	default:
		c.LessOrEqual(count, 1, "Vary\n%s", c)
	}
}

// varies reports, for the cases that leave no doubt, whether a client that accepts
// others could have got another coding.
func (c *comparison) varies() bool {
	d := *c
	d.accept = 0
	return d.encodable()
}

func members(lines []string) (list []string) {
	for _, line := range lines {
		for e, rest, ok := httpheader.Next(line); ok; e, rest, ok = httpheader.Next(rest) {
			list = append(list, strings.ToLower(e))
		}
	}
	return list
}

// tag: two codings have two strong tags (trap d.15).
func (c *comparison) tag(coding string) {
	theirs, ours := c.plain.header["Etag"], c.ours.header["Etag"]
	if coding == "" || len(theirs) == 0 || !strings.HasPrefix(theirs[0], `"`) || !strings.HasSuffix(theirs[0], `"`) {
		c.Equal(theirs, ours, "ETag\n%s", c)
		return
	}
	c.Equal([]string{strings.TrimSuffix(theirs[0], `"`) + "-" + coding + `"`}, ours, "ETag\n%s", c)
}

// length: a Content-Length is that of the bytes that are sent. The one of a
// handler stays as long as the body does, and a body that was encoded as a whole
// has one, but where trailers need its place.
func (c *comparison) length(coding string) {
	body := c.method == http.MethodGet && !c.model.bodyless() && !c.ours.cut()
	if c.ours.length >= 0 && body {
		c.Equal(int64(len(c.ours.raw)), c.ours.length, "Content-Length\n%s", c)
	}
	if coding == "" {
		if c.model.declared >= 0 {
			c.Equal(c.plain.length, c.ours.length, "Content-Length\n%s", c)
		}
		return
	}
	whole := c.mustHold() && body && !announcesTrailers(c.model.header) && len(c.ours.trailer) == 0 && len(c.model.body) > 0
	if whole && !c.model.late {
		c.GreaterOrEqual(c.ours.length, int64(0), "a whole body has no length\n%s", c)
	}
}

func announcesTrailers(h http.Header) bool {
	for name := range h {
		if name == "Trailer" || strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}
