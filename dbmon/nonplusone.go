package dbmon

import (
	"context"
	"strings"
	"sync"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// TB is what [NoNPlusOne] needs of testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(f func())
}

// NoNPlusOne returns a context that fails the test at its end, with the call-sites,
// if a query was repeated under it: in its own scope, or in those of requests and
// jobs whose contexts descend from it. It goes by the options of the monitors,
// which are told as always; those that do not look for N+1 are asked all the same.
//
// The context is for one test at a time, and the database for queries that know
// the context.
func NoNPlusOne(t TB, ctx context.Context) context.Context {
	t.Helper()
	w := new(witness)
	s := newScope(unitOf(ctx))
	s.witness = w
	ctx = reqinfo.WithScope(ctx, &s.unit)
	s.ctx, s.info = ctx, reqinfo.From(ctx)
	t.Cleanup(func() {
		t.Helper()
		s.end()
		for _, r := range w.all() {
			t.Errorf("dbmon: %s: %d calls, %d of them different, of %s\n\t%s", r.Kind, r.Count, r.Distinct, r.Text, strings.Join(r.Stack, "\n\t"))
		}
	})
	return ctx
}

// witness keeps what was repeated in a test.
type witness struct {
	mu   sync.Mutex
	seen []Repetition
}

func (w *witness) add(r Repetition) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, r)
}

func (w *witness) all() []Repetition {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}
