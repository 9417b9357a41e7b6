package httpapi

import (
	"context"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// gate lets a few callers work at a time and a few more wait for a while; the
// rest is turned away at once, so that a flood costs neither time nor memory.
type gate struct {
	policy string
	decide func(ctx context.Context, policy string, allowed bool) // is told

	places  chan struct{} // those at work and those who wait
	working chan struct{}
	wait    time.Duration
}

func newGate(policy string, working, waiting int, wait time.Duration, decide func(context.Context, string, bool)) *gate {
	return &gate{
		policy:  policy,
		decide:  decide,
		places:  make(chan struct{}, working+waiting),
		working: make(chan struct{}, working),
		wait:    wait,
	}
}

// enter returns the function that leaves again.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	defer func() { g.decide(ctx, g.policy, err == nil) }()
	busy := app.Errorf(app.CodeUnavailable, "too many requests of this kind at the moment; try again later")
	select {
	case g.places <- struct{}{}:
	default:
		return nil, busy
	}
	if err := g.await(ctx); err != nil {
		<-g.places
		return nil, busy
	}
	return func() { <-g.working; <-g.places }, nil
}

func (g *gate) await(ctx context.Context) error {
	select {
	case g.working <- struct{}{}: // first, since wait may be zero
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	select {
	case g.working <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
