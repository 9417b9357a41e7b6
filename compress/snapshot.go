package compress

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// snapshot is a header as it was when the handler fixed it. A body may be kept
// back for longer than that, and what a handler does to the map in between must
// not reach the client, but for trailers: net/http takes a copy for the same
// reason, which costs several allocations.
type snapshot struct{ fields []field }

type field struct {
	name   string
	values []string
}

// snapshots are lists of fields, empty.
var snapshots = sync.Pool{New: func() any { return &snapshot{make([]field, 0, 16)} }}

// maxSnapshot is how many fields are worth keeping the room for.
const maxSnapshot = 128

// takeSnapshot is outline.read, too, in one go.
func takeSnapshot(h http.Header, o *outline) *snapshot {
	s := snapshots.Get().(*snapshot)
	o.declared = -1
	for name, values := range h {
		s.fields = append(s.fields, field{name, values})
		o.add(name, values)
	}
	return s
}

// header is a map of the same.
func (s *snapshot) header() http.Header {
	h := make(http.Header, len(s.fields))
	for _, f := range s.fields {
		h[f.name] = f.values
	}
	return h
}

func (s *snapshot) free() {
	if cap(s.fields) > maxSnapshot {
		return
	}
	clear(s.fields)
	s.fields = s.fields[:0]
	snapshots.Put(s)
}

// same reports whether h is still as it was.
func (s *snapshot) same(h http.Header) bool {
	if len(h) != len(s.fields) {
		return false
	}
	for _, f := range s.fields {
		if now, ok := h[f.name]; !ok || !sameValues(now, f.values) {
			return false
		}
	}
	return true
}

// sameValues compares slices by identity. A handler that changes an element in
// place goes unnoticed, which [http.Header] has no method for.
func sameValues(a, b []string) bool {
	return len(a) == len(b) && (a == nil) == (b == nil) && (len(a) == 0 || &a[0] == &b[0])
}

// restore puts h back to what it was, and returns what has changed since: fields
// that were removed have no values there. Trailers that were not announced stay as
// they are now: the server must know of them to leave a place for them, and gains
// tells that there are.
func (s *snapshot) restore(h http.Header) (late []field, gains traits) {
	if s.same(h) {
		return nil, 0
	}
	for name, values := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			gains = hasTrailer
			continue
		}
		i := slices.IndexFunc(s.fields, func(f field) bool { return f.name == name })
		if i < 0 || !sameValues(values, s.fields[i].values) {
			late = append(late, field{name, values})
			delete(h, name)
		}
	}
	for _, f := range s.fields {
		if _, ok := h[f.name]; ok || strings.HasPrefix(f.name, http.TrailerPrefix) {
			continue
		}
		if !slices.ContainsFunc(late, func(l field) bool { return l.name == f.name }) {
			late = append(late, field{name: f.name})
		}
		h[f.name] = f.values
	}
	return late, gains
}

// redo puts changes back that restore has taken away.
func redo(h http.Header, late []field) {
	for _, f := range late {
		if f.values == nil {
			delete(h, f.name)
		} else {
			h[f.name] = f.values
		}
	}
}
