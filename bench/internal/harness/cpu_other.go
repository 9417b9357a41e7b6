//go:build !unix

package harness

import "time"

func worked() time.Duration { return 0 }
