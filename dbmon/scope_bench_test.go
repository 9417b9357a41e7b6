package dbmon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// deep calls f with a stack as long as a server's usually is.
func deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
}

// What a scope adds to a call, without the call.
func BenchmarkScope(b *testing.B) {
	m, err := New(Options{NPlusOne: NPlusOneOptions{Ignore: func(Repetition) bool { return true }}})
	require.NoError(b, err)
	defer m.Close()
	src := &source{Monitor: m, texts: newTexts(m.table, PostgreSQL)}
	const text = "SELECT id, name, email FROM users WHERE email = $1 AND status = 'active' AND deleted_at IS NULL LIMIT 10"
	read := src.texts.lookup(text)
	write := src.texts.lookup("UPDATE users SET name = $1")
	id := int64(0)
	one := func(u *unit, q *query) {
		id++
		k := call{src: src, query: q, op: q.op, unit: u, ctx: context.Background()}
		u.repeated(&k, arguments{native: []any{id & 63}, text: text})
		u.over(&k, ok)
	}
	in := func(calls int, q *query) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				ctx, end := Scope(context.Background())
				u := unitOf(ctx)
				for range calls {
					one(u, q)
				}
				end()
			}
		}
	}
	for _, bm := range []struct {
		name string
		run  func(b *testing.B)
	}{
		{"alone", in(0, read)},
		{"with one read", in(1, read)},
		{"with ten writes", in(10, write)},
		{"with ten reads that are the same query", in(10, read)},
		{"with fifty reads that are different, in a block", func(b *testing.B) {
			var reads [50]*query
			for i := range reads {
				reads[i] = src.texts.lookup(fmt.Sprintf("SELECT id FROM users%d WHERE email = $1", i))
			}
			for b.Loop() {
				ctx, end := Scope(context.Background())
				ctx, done := Track(ctx, "block")
				u := unitOf(ctx)
				for _, q := range reads {
					one(u, q)
				}
				done()
				end()
			}
		}},
		{"one read of very many", func(b *testing.B) {
			ctx, end := Scope(context.Background())
			defer end()
			u := unitOf(ctx)
			for b.Loop() {
				one(u, read)
			}
		}},
		{"one read in a block without a scope", func(b *testing.B) {
			ctx, done := Track(context.Background(), "block")
			defer done()
			u := unitOf(ctx)
			for b.Loop() {
				one(u, read)
			}
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			deep(16, func() { bm.run(b) })
		})
	}
}

func BenchmarkMiddleware(b *testing.B) {
	mon, err := New(Options{})
	require.NoError(b, err)
	defer mon.Close()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})
	h := mon.Middleware(hello)
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
