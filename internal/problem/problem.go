// Package problem writes error answers of sluice's own layers as RFC 9457
// problem details.
//
// It has no place for an error value: what a client sees is what the caller
// wrote for clients. Causes go to logs and hooks.
package problem

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/internal/respw"
)

// MediaType is the type of a problem document (RFC 9457 §6.1).
const MediaType = "application/problem+json"

// Problem is a problem details object (RFC 9457 §3.1).
type Problem struct {
	Type       string         // URI reference; empty: about:blank, the status says it all
	Title      string         // empty: the text of the status
	Status     int            // 400 to 599; anything else is sent as 500
	Detail     string         // what went wrong this time, for people
	Instance   string         // URI reference of this occurrence
	Extensions map[string]any // further members; standard names, errors and what JSON cannot hold are left out
}

// Write sends p as the answer, unless the header is already sent, which only a
// recorded writer can tell. Fields that
// described the body the handler had in mind are removed, all others stay.
// Clients that would rather read text than JSON, browsers among them, get one
// line of text/plain. The answer must not be stored: it speaks of one moment.
func Write(w http.ResponseWriter, r *http.Request, p Problem) {
	if rec := respw.From(w); rec != nil && rec.Committed() {
		return
	}
	p = p.normal()
	h := w.Header()
	for _, name := range describesBody {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if !httpheader.HasToken(h["Vary"], "Accept") {
		h.Add("Vary", "Accept")
	}
	var body []byte
	if prefersText(r.Header["Accept"]) {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		body = p.text()
	} else {
		h.Set("Content-Type", MediaType)
		body = p.json()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// describesBody are the fields of RFC 9110 §8, §14.4 and RFC 9530 that would
// lie about a problem document, and those that would let it be stored.
var describesBody = []string{
	"Content-Encoding", "Content-Language", "Content-Location", "Content-Range", "Content-Disposition",
	"Etag", "Last-Modified", "Content-Digest", "Repr-Digest", "Trailer",
	"Expires", "Cdn-Cache-Control", "Surrogate-Control",
}

func (p Problem) normal() Problem {
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusInternalServerError
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	return p
}

func (p Problem) text() []byte {
	line := strconv.Itoa(p.Status) + " " + p.Title
	if p.Detail != "" {
		line += ": " + p.Detail
	}
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line) // which also mends broken UTF-8
	return []byte(line + "\n")
}

func (p Problem) json() []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	member := func(name string, value any) {
		encoded, ok := encode(value)
		if !ok {
			return
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		key, _ := json.Marshal(name)
		b.Write(key)
		b.WriteByte(':')
		b.Write(encoded)
	}
	text := func(name, value string) {
		if value != "" {
			member(name, value)
		}
	}
	text("type", p.Type)
	text("title", p.Title)
	member("status", p.Status)
	text("detail", p.Detail)
	text("instance", p.Instance)
	for _, name := range slices.Sorted(maps.Keys(p.Extensions)) {
		// Some readers do not mind letter case.
		if !slices.ContainsFunc(standard, func(s string) bool { return strings.EqualFold(s, name) }) {
			member(name, p.Extensions[name])
		}
	}
	b.WriteString("}\n")
	return b.Bytes()
}

var standard = []string{"type", "title", "status", "detail", "instance"}

// encode returns value as JSON. A value that fails to become JSON, even by a
// panic, must not cost the client the answer, and an error is not for clients.
func encode(value any) (encoded []byte, ok bool) {
	defer func() {
		if recover() != nil {
			encoded, ok = nil, false
		}
	}()
	if _, isError := value.(error); isError {
		return nil, false
	}
	encoded, err := json.Marshal(value)
	return encoded, err == nil
}

// prefersText weighs the two forms by RFC 9110 §12.5.1. Whoever asks for JSON
// of any kind can read a problem document; without a preference it is the form
// for programs.
func prefersText(accept []string) bool {
	text := max(httpheader.AcceptWeight(accept, plainText), httpheader.AcceptWeight(accept, html))
	return text > max(httpheader.AcceptWeight(accept, problemJSON), httpheader.AcceptWeight(accept, anyJSON))
}

func plainText(main, sub string) int {
	return httpheader.Specificity(main, sub, "text", "plain")
}

func html(main, sub string) int { return httpheader.Specificity(main, sub, "text", "html") }

func problemJSON(main, sub string) int {
	return httpheader.Specificity(main, sub, "application", "problem+json")
}

func anyJSON(main, sub string) int {
	if _, suffix, ok := strings.Cut(sub, "+"); ok && strings.EqualFold(suffix, "json") {
		return 3
	}
	return httpheader.Specificity(main, sub, "application", "json")
}
