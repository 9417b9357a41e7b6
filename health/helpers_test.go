package health_test

import "time"

const (
	eventually = 10 * time.Second
	tick       = time.Millisecond
)
