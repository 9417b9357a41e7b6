//go:build unix

package harness

import (
	"syscall"
	"time"
)

// worked is how long the processors have worked for this process, or 0 where that
// is not known.
func worked() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
