package dbmon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// recordedTest is a test that is watched.
type recordedTest struct {
	errors   []string
	cleanups []func()
}

func (r *recordedTest) Helper() {}
func (r *recordedTest) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
func (r *recordedTest) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recordedTest) end() {
	for _, f := range r.cleanups {
		f()
	}
}

var _ dbmon.TB = testing.TB(nil)

func TestATestFailsWithTheCallSites(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	var test recordedTest
	ctx := dbmon.NoNPlusOne(&test, t.Context())
	require.NoError(t, quickly(ctx, w, 5))
	require.Empty(t, test.errors)
	test.end()
	require.Len(t, test.errors, 1)
	require.Regexp(t, `^dbmon: n\+1: 5 calls, 5 of them different, of SELECT a FROM b WHERE c = \?\n\tdbmon_test/nplusone_test.go:\d+ dbmon_test.(.|\n)+TestATestFailsWithTheCallSites$`, test.errors[0])
}

func TestATestThatRepeatsNothingPasses(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	var test recordedTest
	ctx := dbmon.NoNPlusOne(&test, t.Context())
	require.NoError(t, quickly(ctx, w, 4))
	_, err := w.db.ExecContext(ctx, "DELETE FROM a")
	require.NoError(t, err)
	test.end()
	require.Empty(t, test.errors)
}

func TestATestIsToldOfWhat(t *testing.T) {
	ignoreAll := dbmon.NPlusOneOptions{Ignore: func(dbmon.Repetition) bool { return true }}
	for _, tt := range []struct {
		name string
		o    dbmon.NPlusOneOptions
		run  func(ctx context.Context, w *monitored) error
		want int
	}{
		{"a job with a scope of its own", dbmon.NPlusOneOptions{}, func(ctx context.Context, w *monitored) error {
			ctx, end := dbmon.Scope(ctx)
			defer end()
			return quickly(ctx, w, 5)
		}, 1},
		{"a request", dbmon.NPlusOneOptions{}, func(ctx context.Context, w *monitored) error {
			h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_ = quickly(r.Context(), w, 5)
			}))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
			return nil
		}, 1},
		{"a block", dbmon.NPlusOneOptions{}, func(ctx context.Context, w *monitored) error {
			ctx, done := dbmon.Track(ctx, "block")
			defer done()
			return quickly(ctx, w, 5)
		}, 1},
		{"a monitor that does not look", dbmon.NPlusOneOptions{Threshold: -1}, func(ctx context.Context, w *monitored) error {
			return quickly(ctx, w, 5)
		}, 1},
		{"what is meant to be", ignoreAll, func(ctx context.Context, w *monitored) error {
			return quickly(ctx, w, 5)
		}, 0},
		{"a duplicate", dbmon.NPlusOneOptions{}, func(ctx context.Context, w *monitored) error {
			return each(5, func(int) error { return quickly(ctx, w, 1) })
		}, 1},
		{"what is not under the context", dbmon.NPlusOneOptions{}, func(_ context.Context, w *monitored) error {
			return quickly(context.Background(), w, 5)
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := monitor(t, &scripted{}, dbmon.Options{NPlusOne: tt.o})
			var test recordedTest
			require.NoError(t, tt.run(dbmon.NoNPlusOne(&test, t.Context()), w))
			test.end()
			require.Len(t, test.errors, tt.want)
		})
	}
}

// A test must not depend on what the monitor has learned from those before.
func TestATestCountsTheFirstCallWhereItWasMade(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	for range 20 {
		ctx, end := dbmon.Scope(t.Context())
		require.NoError(t, quickly(ctx, w, 1))
		end()
	}
	var test recordedTest
	ctx := dbmon.NoNPlusOne(&test, t.Context())
	require.NoError(t, quickly(ctx, w, 1))
	require.NoError(t, each(4, func(i int) error {
		var a int
		return w.db.QueryRowContext(ctx, "SELECT a FROM b WHERE c = ? /* rows 1 */", 10+i).Scan(&a)
	}))
	test.end()
	require.Empty(t, test.errors)
}
