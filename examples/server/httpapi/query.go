package httpapi

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	maxQuery = 2048 // bytes of a query string
	maxText  = 255  // bytes of a text parameter
)

// query reads the parameters of a list. Each is taken once, so that those left
// over are unknown.
type query struct {
	values url.Values
	faults map[string]string
}

func parseQuery(raw string) (*query, error) {
	if len(raw) > maxQuery {
		return nil, app.Errorf(app.CodeMalformed, "the query has more than %d bytes", maxQuery)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, app.Errorf(app.CodeMalformed, "the query is not well formed")
	}
	return &query{values: values, faults: map[string]string{}}, nil
}

// text takes a parameter; "" says that it is absent or at fault.
func (q *query) text(name string) string {
	values, present := q.values[name]
	delete(q.values, name)
	switch {
	case !present:
		return ""
	case len(values) > 1:
		q.faults[name] = "is given more than once"
	case values[0] == "":
		q.faults[name] = "is empty"
	case len(values[0]) > maxText, !utf8.ValidString(values[0]), strings.ContainsFunc(values[0], unicode.IsControl):
		q.faults[name] = "must be one short line of valid UTF-8"
	default:
		return values[0]
	}
	return ""
}

// parsed takes a parameter through parse; the zero value stands for none.
func parsed[T any](q *query, name, reason string, parse func(string) (T, bool)) T {
	var zero T
	text := q.text(name)
	if text == "" {
		return zero
	}
	v, ok := parse(text)
	if !ok {
		q.faults[name] = reason
		return zero
	}
	return v
}

func (q *query) id(name string) int64 {
	return parsed(q, name, "must be an id", parseID)
}

func (q *query) time(name string) time.Time {
	return parsed(q, name, "must be a time like 2026-01-31T12:00:00Z (RFC 3339)", parseTime)
}

func (q *query) page() app.PageRequest {
	limit := parsed(q, "limit", "must be a number from 1 to "+strconv.Itoa(app.MaxLimit), func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= 1 && n <= app.MaxLimit
	})
	return app.PageRequest{
		Limit: cmp.Or(limit, app.DefaultLimit),
		After: parsed(q, "cursor", "is not a cursor of this API", parseCursor),
	}
}

// err reports all faults, unknown parameters among them.
func (q *query) err() error {
	for name := range q.values {
		q.faults[clip(name)] = "is not a known parameter"
	}
	if len(q.faults) == 0 {
		return nil
	}
	return &app.Error{Code: app.CodeMalformed, Message: "some query parameters are not valid", Fields: q.faults}
}

// parseID accepts one spelling per id, so that one thing has one URL.
func parseID(s string) (int64, bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == s
}

// parseTime returns an instant as the store can keep it. A zone may move one
// that is written with four digits out of the years that have four.
func parseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	t = t.UTC().Truncate(time.Microsecond)
	return t, err == nil && t.Year() >= 1 && t.Year() <= 9999
}

// A cursor is two big-endian integers in base64url: the creation time in
// microseconds, which is all that the store keeps of it, and the id.
const cursorSize = 16

// maxMicros is the end of the year 9999.
const maxMicros = 253_402_300_799_999_999

func formatCursor(c app.Cursor) string {
	b := make([]byte, 0, cursorSize)
	b = binary.BigEndian.AppendUint64(b, uint64(c.CreatedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(c.ID))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (app.Cursor, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	// Both lengths, since the decoder skips line ends.
	if err != nil || len(b) != cursorSize || len(s) != base64.RawURLEncoding.EncodedLen(cursorSize) {
		return app.Cursor{}, false
	}
	micros, id := int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	if micros < 0 || micros > maxMicros || id < 1 {
		return app.Cursor{}, false
	}
	return app.Cursor{CreatedAt: time.UnixMicro(micros).UTC(), ID: id}, true
}
