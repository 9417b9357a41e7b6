package respw_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
)

func TestAnInstantInABubbleIsTheBubblesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, now := respw.Now(), time.Now()
		require.True(t, at.Time().Equal(now), "%v, and it is %v", at.Time(), now)
		time.Sleep(time.Hour)
		require.Equal(t, time.Hour, at.Elapsed())
		require.True(t, at.Time().Equal(now))
		require.Greater(t, respw.Now(), at)
	})
}

// Without the monotonic reading, as in a log, a header or a trace.
func TestTheWallClockOfAnInstantInABubbleIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, time.Now().Unix(), respw.Now().Time().Unix())
	})
}

func TestInstantsNeverGoBack(t *testing.T) {
	last := respw.Now()
	for range 10_000 {
		now := respw.Now()
		require.GreaterOrEqual(t, now, last)
		require.GreaterOrEqual(t, last.Elapsed(), time.Duration(0))
		last = now
	}
}
