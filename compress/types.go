package compress

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// DefaultContentTypes are the content types that are worth compressing: text and
// what is made of text, fonts and images without a compression of their own, and
// WebAssembly.
func DefaultContentTypes() []string {
	return []string{
		"text/*", "*+json", "*+json-seq", "*+xml", "*+text", "*+yaml",
		"application/json", "application/json-seq", "application/x-ndjson", "application/jsonl", "application/graphql",
		"application/javascript", "application/x-javascript", "application/ecmascript",
		"application/xml", "application/xml-dtd", "application/yaml", "application/x-yaml", "application/toml",
		"application/sql", "application/rtf", "application/x-sh", "application/postscript",
		"application/wasm", "application/vnd.ms-fontobject", "application/x-font-ttf", "application/x-font-otf",
		"font/ttf", "font/otf", "font/collection",
		"image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
		"model/gltf-binary", "application/grpc-web-text",
	}
}

// typeSet is a set of content types.
type typeSet struct {
	exact    map[string]bool // "text/css"
	main     map[string]bool // "text" for "text/*"
	suffixes map[string]bool // "json" for "*+json"
	all      bool            // "*/*"

	known [knownTypes]atomic.Pointer[knownType]
}

// contentType is what matters of a Content-Type field.
type contentType struct {
	name   string // in lower case, without parameters
	listed bool   // it is worth encoding
	framed bool   // it has parts that are not to be touched
}

// knownTypes is how many fields are remembered. Those of handlers are few; one that
// puts what clients say into its own fills the memory, and no more.
const (
	knownTypes    = 64
	maxTypeLength = 128
)

// knownType is a field that was read before.
type knownType struct {
	field string
	contentType
}

// of reads a Content-Type field, and remembers it if there is room in its place.
func (s *typeSet) of(field string) contentType {
	n := len(field)
	if n == 0 || n > maxTypeLength {
		return s.read(field)
	}
	place := &s.known[(n+31*int(field[n/2])+7*int(field[n-1]))%knownTypes]
	known := place.Load()
	if known != nil && known.field == field {
		return known.contentType
	}
	t := s.read(field)
	if known == nil {
		place.CompareAndSwap(nil, &knownType{strings.Clone(field), t})
	}
	return t
}

func (s *typeSet) read(field string) contentType {
	value, _ := httpheader.CutParams(field)
	t := contentType{name: strings.Clone(strings.ToLower(value))}
	t.framed = isRPC(t.name) || t.name == "multipart/byteranges"
	t.listed = !t.framed && s.has(t.name)
	return t
}

func newTypeSet(patterns []string) (*typeSet, error) {
	s := &typeSet{exact: map[string]bool{}, main: map[string]bool{}, suffixes: map[string]bool{}}
	var bad []string
	for _, given := range patterns {
		p := strings.ToLower(given)
		main, sub, slash := strings.Cut(p, "/")
		suffix, isSuffix := strings.CutPrefix(p, "*+")
		switch {
		case isSuffix && httpheader.IsToken(suffix):
			s.suffixes[suffix] = true
		case p == "*/*":
			s.all = true
		case !slash || !httpheader.IsToken(main) || main == "*":
			bad = append(bad, given)
		case sub == "*":
			s.main[main] = true
		case httpheader.IsToken(sub) && !strings.Contains(sub, "*"):
			s.exact[p] = true
		default:
			bad = append(bad, given)
		}
	}
	if bad != nil {
		return s, fmt.Errorf(`%q: a type is like "text/css", "text/*", "*+json" or "*/*"`, bad)
	}
	return s, nil
}

// has reports whether a type, in lower case and without parameters, is in s.
func (s *typeSet) has(mediaType string) bool {
	if s.exact[mediaType] || s.all {
		return true
	}
	main, sub, _ := strings.Cut(mediaType, "/")
	if s.main[main] {
		return true
	}
	plus := strings.LastIndexByte(sub, '+')
	return plus >= 0 && s.suffixes[sub[plus+1:]]
}

// isRPC reports whether a body is a stream of gRPC, which has frames and a
// compression of its own. What browsers get (grpc-web) is like any other body.
func isRPC(mediaType string) bool {
	rest, ok := strings.CutPrefix(mediaType, "application/grpc")
	return ok && !strings.HasPrefix(rest, "-web")
}
