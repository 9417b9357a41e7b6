package problem_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/problem"
	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

func TestTheDocumentIsRFC9457(t *testing.T) {
	tests := []struct {
		name   string
		p      problem.Problem
		status int
		body   string
	}{
		{"a status alone", problem.Problem{Status: 404}, 404, `{"title":"Not Found","status":404}`},
		{
			"all members in order",
			problem.Problem{
				Type: "https://example.com/probs/quota", Title: "Quota", Status: 429, Detail: "60 a minute", Instance: "/log/1",
				Extensions: map[string]any{"violated": []string{"public"}, "after": 3},
			},
			429,
			`{"type":"https://example.com/probs/quota","title":"Quota","status":429,"detail":"60 a minute","instance":"/log/1","after":3,"violated":["public"]}`,
		},
		{"a status that is no error becomes 500", problem.Problem{Status: 200}, 500, `{"title":"Internal Server Error","status":500}`},
		{"no status is 500", problem.Problem{}, 500, `{"title":"Internal Server Error","status":500}`},
		{"an unknown status has no title", problem.Problem{Status: 499}, 499, `{"status":499}`},
		{
			"an extension cannot replace a standard member",
			problem.Problem{Status: 400, Extensions: map[string]any{
				"status": 200, "detail": "x", "type": "x", "title": "x", "instance": "x", "Status": 200,
			}}, 400,
			`{"title":"Bad Request","status":400}`,
		},
		{
			"an extension JSON cannot hold is left out",
			problem.Problem{Status: 400, Extensions: map[string]any{"bad": math.NaN(), "good": 1}}, 400,
			`{"title":"Bad Request","status":400,"good":1}`,
		},
		{
			"an error is no extension",
			problem.Problem{Status: 400, Extensions: map[string]any{"cause": &fs.PathError{Op: "open", Path: "/secret"}}}, 400,
			`{"title":"Bad Request","status":400}`,
		},
		{
			"an extension that panics is left out",
			problem.Problem{Status: 400, Extensions: map[string]any{"bad": panicking{}, "good": 1}}, 400,
			`{"title":"Bad Request","status":400,"good":1}`,
		},
		{"the last status that is an error", problem.Problem{Status: 599}, 599, `{"status":599}`},
		{"the first that is none", problem.Problem{Status: 600}, 500, `{"title":"Internal Server Error","status":500}`},
		{
			"mark-up and broken UTF-8 are harmless",
			problem.Problem{Status: 400, Detail: "<script>\xff\""}, 400,
			"{\"title\":\"Bad Request\",\"status\":400,\"detail\":\"\\u003cscript\\u003e\\ufffd\\\"\"}",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			problem.Write(w, httptest.NewRequest("GET", "/", nil), tt.p)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.body+"\n", w.Body.String())
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "Accept", w.Header().Get("Vary"))
		})
	}
}

type panicking struct{}

func (panicking) MarshalJSON() ([]byte, error) { panic("boom") }

func TestAnAnswerThatHasBegunIsLeftAlone(t *testing.T) {
	inner := httptest.NewRecorder()
	w, _, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
	_, _ = io.WriteString(w, "partial")
	problem.Write(w, httptest.NewRequest("GET", "/", nil), problem.Problem{Status: 500})
	require.Equal(t, "partial", inner.Body.String())
	require.Empty(t, inner.Header().Get("Cache-Control"))
}

func TestTextIsOneLine(t *testing.T) {
	for detail, want := range map[string]string{
		"":                   "429 Too Many Requests\n",
		"a\r\nb\x00c\u0085d": "429 Too Many Requests: a  b c d\n",
		"\xff":               "429 Too Many Requests: \ufffd\n",
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", "text/plain")
		problem.Write(w, r, problem.Problem{Status: 429, Detail: detail})
		require.Equal(t, want, w.Body.String())
	}
}

func TestTheFormFollowsAccept(t *testing.T) {
	const asJSON, asText = "application/problem+json", "text/plain; charset=utf-8"
	tests := []struct{ name, accept, want string }{
		{"no preference", "", asJSON},
		{"curl", "*/*", asJSON},
		{"JSON", "application/json", asJSON},
		{"problem details", "application/problem+json;q=0.1", asJSON},
		{"a browser's page", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", asText},
		{"text", "text/plain", asText},
		{"any text, letter case aside", "TEXT/*", asText},
		{"JSON rather than text", "text/plain;q=0.5, application/json;q=0.6", asJSON},
		{"JSON refused", "application/problem+json;q=0, application/json;q=0, */*", asText},
		{"JSON in other letters", "Application/JSON, text/html;q=0.9", asJSON},
		{"JSON with a name of its own", "application/vnd.api+json, text/html;q=0.1", asJSON},
		{"something else altogether", "image/png", asJSON},
		{"nonsense", ";;,/,text/plain;q=x", asJSON},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			if tt.accept != "" {
				r.Header.Set("Accept", tt.accept)
			}
			problem.Write(w, r, problem.Problem{Status: 429, Detail: "later"})
			require.Equal(t, tt.want, w.Header().Get("Content-Type"))
			if tt.want == asText {
				require.Equal(t, "429 Too Many Requests: later\n", w.Body.String())
			}
		})
	}
}

func TestTheHandlersBodyFieldsGoAndAllOthersStay(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{
			"Content-Encoding": "gzip", "Content-Length": "7", "Etag": `"x"`, "Last-Modified": "now", "Content-Type": "image/png",
			"Content-Disposition": "attachment", "Cache-Control": "public, max-age=60", "Vary": "Origin",
			"Content-Security-Policy": "default-src 'none'", "Retry-After": "3", "Content-Language": "en", "Content-Location": "/x",
			"Content-Range": "bytes 0-1/2", "Content-Digest": "sha-256=:x:", "Repr-Digest": "sha-256=:x:", "Trailer": "X",
			"Expires": "tomorrow", "Cdn-Cache-Control": "max-age=60", "Surrogate-Control": "max-age=60",
		} {
			w.Header().Set(name, value)
		}
		problem.Write(w, r, problem.Problem{Status: 503})
	})
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		for _, method := range []string{"GET", "HEAD"} {
			req, _ := http.NewRequest(method, srv.URL, nil)
			res, err := srv.Client().Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			require.NoError(t, err)
			for _, gone := range []string{
				"Content-Encoding", "Etag", "Last-Modified", "Content-Disposition", "Content-Language", "Content-Location",
				"Content-Range", "Content-Digest", "Repr-Digest", "Expires", "Cdn-Cache-Control", "Surrogate-Control",
			} {
				require.Empty(t, res.Header.Values(gone), gone)
			}
			require.Empty(t, res.Trailer)
			require.Equal(t, []string{"Origin", "Accept"}, res.Header.Values("Vary"))
			require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
			require.Equal(t, "3", res.Header.Get("Retry-After"))
			require.NotEmpty(t, res.Header.Get("Content-Security-Policy"))
			require.EqualValues(t, 45, res.ContentLength, "HEAD tells the length of GET")
			require.Equal(t, method == "GET", len(body) == 45)
		}
	})
}

func TestVaryIsNotRepeated(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin, accept")
	problem.Write(w, httptest.NewRequest("GET", "/", nil), problem.Problem{Status: 404})
	require.Equal(t, []string{"Origin, accept"}, w.Header().Values("Vary"))
}

func FuzzWrite(f *testing.F) {
	f.Add("text/html;q=0.1,*/*", "title", "detail", "ext", 404)
	f.Fuzz(func(t *testing.T, accept, title, detail, ext string, status int) {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		problem.Write(w, r, problem.Problem{Status: status, Title: title, Detail: detail, Extensions: map[string]any{ext: ext}})
		require.GreaterOrEqual(t, w.Code, 400)
		if w.Header().Get("Content-Type") == problem.MediaType {
			var doc map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &doc))
			require.True(t, utf8.Valid(w.Body.Bytes()))
			require.EqualValues(t, w.Code, doc["status"])
		}
	})
}
