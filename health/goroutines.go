package health

import (
	"context"
	"fmt"
	"runtime"
)

// Goroutines is a check that is degraded, as [ReasonThreshold], while the process
// has more than max goroutines: a number that only grows is a leak. With a max of
// zero or less it only counts. The fact is goroutines.
func Goroutines(max int) Internal {
	return func(ctx context.Context) error {
		n := runtime.NumGoroutine()
		Set(ctx, "goroutines", n)
		if max > 0 && n > max {
			return Degraded(WithReason(fmt.Errorf("health: %d goroutines, more than %d", n, max), ReasonThreshold))
		}
		return nil
	}
}
