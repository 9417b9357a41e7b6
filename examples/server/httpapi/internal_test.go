package httpapi

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add("AAAAAAAAAAEAAAAAAAAAAQ")
	f.Add("AAAAAAAAAAEAAAAAAAAAAQ\n")
	f.Add(formatCursor(app.Cursor{CreatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), ID: 1<<63 - 1}))
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseCursor(s)
		if !ok {
			require.True(t, c.IsZero())
			return
		}
		require.Equal(t, s, formatCursor(c), "a position has one spelling")
		require.Positive(t, c.ID)
		require.True(t, c.CreatedAt.Year() >= 1970 && c.CreatedAt.Year() <= 9999, c.CreatedAt)
	})
}

func FuzzParseTags(f *testing.F) {
	for _, seed := range []string{"", "*", `"a"`, `W/"a", "b"`, `, "a" ,,"b"`, `"a""b"`, `"`, `W/`, `*,"a"`, `"a`, "\"\xff\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		found, err := parseTags(http.Header{"If-Match": {s}}, "If-Match")
		if err != nil {
			return
		}
		require.NotEmpty(t, found)
		again, err := parseTags(http.Header{"If-Match": found}, "If-Match")
		require.NoError(t, err)
		require.Equal(t, found, again, "what was read can be read again, tag by tag")
		for _, tag := range found {
			if tag == "*" {
				require.Len(t, found, 1)
				continue
			}
			opaque := strings.TrimPrefix(tag, "W/")
			require.Regexp(t, `^"[^"\x00-\x20\x7f]*"$`, opaque)
			require.Equal(t, !strings.HasPrefix(tag, "W/"), tags{tag}.contain(opaque, false))
			require.True(t, tags{tag}.contain(opaque, true))
		}
	})
}

func TestGate(t *testing.T) {
	ctx := context.Background()
	var mu sync.Mutex
	var decisions []bool
	note := func(_ context.Context, policy string, allowed bool) {
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, "test", policy)
		decisions = append(decisions, allowed)
	}
	t.Run("one works, one waits its turn, the third is turned away at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate("test", 1, 1, time.Second, note)
			leave, err := g.enter(ctx)
			require.NoError(t, err)
			second := make(chan error)
			go func() {
				leave, err := g.enter(ctx)
				if err == nil {
					leave()
				}
				second <- err
			}()
			synctest.Wait()
			start := time.Now()
			_, err = g.enter(ctx)
			require.Error(t, err)
			require.Zero(t, time.Since(start))
			leave()
			require.NoError(t, <-second)
			require.Empty(t, g.places, "everyone left")
			require.Equal(t, []bool{true, false, true}, decisions, "each is told")
		})
	})
	t.Run("waiting ends after a while, or with the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGate("test", 1, 1, time.Second, note)
			leave, err := g.enter(ctx)
			require.NoError(t, err)
			defer leave()
			start := time.Now()
			_, err = g.enter(ctx)
			var e *app.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, app.CodeUnavailable, e.Code)
			require.Equal(t, time.Second, time.Since(start))

			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err = g.enter(short)
			require.Error(t, err)
			require.Equal(t, time.Second+time.Millisecond, time.Since(start))
			require.Len(t, g.places, 1, "who gave up takes no place")
		})
	})
}

func TestUnknownUsersCostTheSame(t *testing.T) {
	t.Run("a missing user is compared with a hash of the same cost and never matches", func(t *testing.T) {
		p := passwords{newGate("test", 1, 0, 0, func(context.Context, string, bool) {})}
		hash, err := HashPassword("a password")
		require.NoError(t, err)
		require.Equal(t, hash[:len("$2a$10$")], decoy[:len("$2a$10$")])
		ok, err := p.match(t.Context(), "", "a password")
		require.NoError(t, err)
		require.False(t, ok)
		ok, err = p.match(t.Context(), hash, "a password")
		require.NoError(t, err)
		require.True(t, ok)
	})
}
