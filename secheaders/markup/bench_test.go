package markup_test

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
	"github.com/sluice-go/sluice/secheaders/markup"
)

const benchPage = `<!DOCTYPE html><html><head><title>{{.Title}}</title><link rel="stylesheet" href="/a.css">
<script src="/a.js" defer></script><script type="module">start({{.N}})</script><style>p{margin:0}</style></head>
<body>{{range .Rows}}<p class="{{.}}">{{.}}</p>{{end}}</body></html>`

var benchData = map[string]any{"Title": "Tickets", "N": 7, "Rows": []string{"a", "b", "c", "d", "e", "f", "g", "h"}}

// nonced is the context of a request that has a nonce.
func nonced(t testing.TB) (ctx context.Context) {
	t.Helper()
	sec, err := secheaders.New(secheaders.Options{})
	require.NoError(t, err)
	sec.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.NotEmpty(t, secheaders.Nonce(ctx))
	return ctx
}

func BenchmarkExecute(b *testing.B) {
	plain := template.Must(template.New("page").Parse(benchPage))
	p := newPages(b, benchPage)
	b.Run("html/template", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = plain.ExecuteTemplate(io.Discard, "page", benchData)
		}
	})
	for name, ctx := range map[string]context.Context{"nonce": nonced(b), "without": context.Background()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Execute(ctx, io.Discard, benchData)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	t := template.Must(template.New("page").Parse(benchPage))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = markup.New(t)
	}
}
