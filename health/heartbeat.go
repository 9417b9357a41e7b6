package health

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Heartbeat tells whether a loop of the process still goes round, such as the hub
// of a server's WebSockets: the loop calls Beat, and the check given by Within
// fails when it has not done so for too long. The zero value is ready for use. It
// must not be copied.
type Heartbeat struct {
	start atomic.Pointer[time.Time] // set by Within; a monotonic clock needs a beginning
	last  atomic.Int64              // nanoseconds after start
}

// Beat says that the loop is alive. It takes no lock, allocates nothing, and may
// be called from any goroutine.
func (h *Heartbeat) Beat() {
	start := h.start.Load()
	if start == nil {
		return // nobody asks yet, and Within counts from its own call
	}
	now := int64(time.Since(*start))
	for {
		last := h.last.Load()
		// A goroutine that was held up must not take back a later beat.
		if last >= now || h.last.CompareAndSwap(last, now) {
			return
		}
	}
}

// Within is a check that fails, as [ReasonMissed], when the last beat is more than
// d ago. Before the first beat it counts from the call of Within. The fact is
// last_beat_seconds, the time since the last beat.
//
// A loop that waits for work must beat while it waits, by a timer, or it looks
// stuck when it only has nothing to do. Let d be several beats long, because a
// busy machine holds them up.
func (h *Heartbeat) Within(d time.Duration) Internal {
	if d <= 0 {
		return func(context.Context) error { return errors.New("health: Within: the duration must be positive") }
	}
	now := time.Now()
	h.start.CompareAndSwap(nil, &now)
	start := *h.start.Load()
	called := int64(time.Since(start))
	return func(ctx context.Context) error {
		last := h.last.Load()
		if last > 0 {
			Set(ctx, "last_beat_seconds", (time.Since(start) - time.Duration(last)).Seconds())
		}
		if ago := time.Since(start) - time.Duration(max(last, called)); ago > d {
			return WithReason(fmt.Errorf("health: no heartbeat for %v", ago.Round(time.Millisecond)), ReasonMissed)
		}
		return nil
	}
}
