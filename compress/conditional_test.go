package compress_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// document answers as [http.ServeContent] does, which knows conditions and ranges.
func document(tag string, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "page.html", time.Unix(1_700_000_000, 0), strings.NewReader(body))
	})
}

// Trap d.15, d.16, d.17: RFC 9110 §8.8.3.3, §13.1.2, §15.4.5.
func TestEachCodingHasATagThatCanBeAskedFor(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(document(`"abc"`, text(5000)))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, accept := range []string{"gzip", "br", "zstd"} {
			full := do(get(accept))
			tag := full.Header.Get("ETag")
			require.Equal(t, `"abc-`+accept+`"`, tag)
			require.Empty(t, full.Header.Get("Accept-Ranges"))

			for _, list := range []string{tag, `"x", ` + tag, `"a,b",W/` + tag + `, ` + tag, `"x"` + "\n" + tag} {
				r := get(accept)
				for line := range strings.SplitSeq(list, "\n") {
					r.Header.Add("If-None-Match", line)
				}
				again := do(r)
				require.Equal(t, 304, again.StatusCode, list)
				require.Equal(t, tag, again.Header.Get("ETag"))
				require.Equal(t, "Accept-Encoding", again.Header.Get("Vary"))
				require.Empty(t, again.Header.Get("Content-Encoding"))
				require.Empty(t, again.wire)
			}
			for _, other := range []string{`"abd-` + accept + `"`, `"abc-`, `"abc-` + accept, `"abc-deflate"`, ``} {
				require.Equal(t, 200, do(get(accept, "If-None-Match", other)).StatusCode, other)
			}
			require.Equal(t, 200, do(get("identity", "If-None-Match", tag)).StatusCode, "the client does not take the coding any more")
			require.Equal(t, 304, do(get("identity", "If-None-Match", `"abc"`)).StatusCode)
			require.Equal(t, `"abc"`, do(get(accept, "If-None-Match", `"abc"`)).Header.Get("ETag"), "the client has it without a coding")
			require.Equal(t, 304, do(get(accept, "If-None-Match", `*`)).StatusCode)

			require.Equal(t, 200, do(get(accept, "If-Match", tag)).StatusCode)
			require.Equal(t, 412, do(get(accept, "If-Match", `"abd-`+accept+`"`)).StatusCode)
			require.Equal(t, 412, do(get(accept, "If-Match", "W/"+tag)).StatusCode, "a strong comparison")
		}
	})
}

// Trap d.16: a tag of the handler that ends as a suffix does.
func TestATagThatLooksSuffixedStillMatches(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(document(`"abc-gzip"`, text(5000)))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		require.Equal(t, `"abc-gzip-gzip"`, do(get("gzip")).Header.Get("ETag"))
		for _, tag := range []string{`"abc-gzip"`, `"abc-gzip-gzip"`} {
			a := do(get("gzip", "If-None-Match", tag))
			require.Equal(t, 304, a.StatusCode)
			require.Equal(t, tag, a.Header.Get("ETag"))
		}
	})
}

// Trap d.16, d.17: a lock by entity tag, as a client that was given the gzip body
// does it.
func TestAnEditorCanSaveWhatItReadEncoded(t *testing.T) {
	tag, body := `"v1"`, text(2000)
	h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", tag)
		if r.Method == http.MethodPut {
			if r.Header.Get("If-Match") != tag && !strings.Contains(strings.Join(r.Header.Values("If-Match"), ","), tag) {
				w.WriteHeader(412)
				return
			}
			tag = `"v2"`
			w.Header().Set("ETag", tag)
			w.WriteHeader(204)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		tag = `"v1"`
		read := do(get("gzip")).Header.Get("ETag")
		require.Equal(t, `"v1-gzip"`, read)
		saved := do(request(http.MethodPut, "gzip", "If-Match", read))
		require.Equal(t, 204, saved.StatusCode)
		require.Equal(t, `"v2"`, saved.Header.Get("ETag"))
		late := do(request(http.MethodPut, "gzip", "If-Match", read))
		require.Equal(t, 412, late.StatusCode)
		require.Equal(t, `"v2-gzip"`, late.Header.Get("ETag"))
	})
}

// Trap d.18, d.19: ranges are of the identity representation.
func TestRangesAreNeverSplicedIntoAnEncodedBody(t *testing.T) {
	body := text(5000)
	h := newCompressor(t, compress.Options{}).Middleware(document(`"abc"`, body))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		part := do(get("gzip", "Range", "bytes=100-199"))
		require.Equal(t, 206, part.StatusCode)
		require.Equal(t, body[100:200], string(part.wire))
		require.Equal(t, `"abc"`, part.Header.Get("ETag"))
		require.Equal(t, "Accept-Encoding", part.Header.Get("Vary"))

		part = do(get("gzip", "Range", "bytes=100-199", "If-Range", `"abc"`))
		require.Equal(t, 206, part.StatusCode)

		full := do(get("gzip", "Range", "bytes=100-199", "If-Range", `"abc-gzip"`))
		require.Equal(t, 200, full.StatusCode)
		require.Equal(t, "gzip", full.Header.Get("Content-Encoding"))
		require.Equal(t, body, full.decoded(t))
	})
}

func TestWeakenedTagsMatchWeakly(t *testing.T) {
	h := newCompressor(t, compress.Options{ETags: compress.ETagWeaken}).Middleware(document(`"abc"`, text(5000)))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip"))
		require.Equal(t, `W/"abc"`, a.Header.Get("ETag"))
		a = do(get("gzip", "If-None-Match", `W/"abc"`))
		require.Equal(t, 304, a.StatusCode)
		require.Equal(t, `W/"abc"`, a.Header.Get("ETag"))
		require.Equal(t, `"abc"`, do(get("gzip", "If-None-Match", `"abc"`)).Header.Get("ETag"))
	})
}

// Trap d.14.
func TestVaryIsMergedAfterTheHandler(t *testing.T) {
	for given, want := range map[string][]string{
		"":                             {"Accept-Encoding"},
		"Origin":                       {"Origin", "Accept-Encoding"},
		"accept-encoding":              {"accept-encoding"},
		"Origin, ACCEPT-ENCODING":      {"Origin, ACCEPT-ENCODING"},
		"*":                            {"*"},
		"X-Accept-Encoding, Origin":    {"X-Accept-Encoding, Origin", "Accept-Encoding"},
		"Accept-Encoding-X,Origin , *": {"Accept-Encoding-X,Origin , *"},
	} {
		h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			if given != "" {
				w.Header().Set("Vary", given)
			}
			_, _ = io.WriteString(w, text(1000))
		}))
		protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
			got := strings.Join(do(get("gzip")).Header.Values("Vary"), ", ")
			require.Equal(t, strings.Join(want, ", "), got, given)
		})
	}
}

// Traps d.20, d.21: RFC 9530, RFC 9110 §6.5.
func TestDigestsOfIdentityDoNotDescribeAnEncodedBody(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for _, name := range []string{"Content-Digest", "Repr-Digest", "Content-MD5", "Digest", "Unencoded-Digest"} {
			w.Header().Set(name, "x")
		}
		w.Header().Set("Trailer", "Repr-Digest, Server-Timing")
		_, _ = io.WriteString(w, text(1000))
		w.Header().Set("Repr-Digest", "late")
		w.Header().Set("Server-Timing", "db")
		w.Header().Set(http.TrailerPrefix+"Content-Digest", "late")
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, name := range []string{"Content-Digest", "Repr-Digest", "Content-Md5", "Digest"} {
			require.Empty(t, do(get("gzip")).Header.Values(name), name)
			require.Equal(t, "x", do(get("identity")).Header.Get(name), name)
		}
		a := do(get("gzip"))
		require.Equal(t, "x", a.Header.Get("Unencoded-Digest"))
		require.Equal(t, http.Header{"Server-Timing": {"db"}, "X-Sum": {"1"}}, a.Trailer)
		require.Equal(t, text(1000), a.decoded(t))
	})
}

// Trap d.11: RFC 9110 §9.3.2.
func TestHeadIsAnsweredAsGet(t *testing.T) {
	handlers := map[string]http.Handler{
		"a document":             document(`"abc"`, text(5000)),
		"a short document":       document(`"abc"`, text(50)),
		"a handler that writes":  answers("text/plain", text(5000), true),
		"a handler that streams": answers("text/plain", text(200_000), true),
		"one that writes little": answers("text/plain", "ok", true),
		"one that does not":      answers("text/plain", text(5000), false),
		"a picture":              answers("image/png", text(5000), true),
	}
	for name, next := range handlers {
		t.Run(name, func(t *testing.T) {
			h := newCompressor(t, compress.Options{}).Middleware(next)
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				for _, accept := range []string{"gzip", "br", "zstd", "identity"} {
					a, b := do(get(accept)), do(request(http.MethodHead, accept))
					require.Empty(t, b.wire)
					if b.Header.Get("Content-Length") != "" {
						require.Equal(t, a.Header.Get("Content-Length"), b.Header.Get("Content-Length"))
					}
					for _, h := range []http.Header{a.Header, b.Header} {
						h.Del("Content-Length")
						h.Del("Date")
					}
					require.Equal(t, a.Header, b.Header, accept)
				}
			})
		})
	}
}

// answers writes a body, to HEAD too if always is set.
func answers(contentType, body string, always bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		if always || r.Method != http.MethodHead {
			_, _ = io.WriteString(w, body)
		}
	})
}
