package cgroup

import "math"

// Optional is a value that a system may not have.
type Optional struct {
	V  float64
	OK bool
}

// Bound is a limit while it is searched from the outermost level inwards, with
// something about the level that has it. On a tie the outer level stays: it is
// shared with more, so it is felt first.
type Bound[T any] struct {
	Limit float64 // +Inf without one
	Level T
}

// Unlimited is where a search begins.
func Unlimited[T any]() Bound[T] { return Bound[T]{Limit: math.Inf(1)} }

// Offer takes a limit that is smaller than those before.
func (b *Bound[T]) Offer(limit float64, level T) {
	if limit < b.Limit {
		b.Limit, b.Level = limit, level
	}
}

// Found reports whether there was any limit.
func (b *Bound[T]) Found() bool { return !math.IsInf(b.Limit, 1) }
