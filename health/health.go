package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Checker runs checks and answers what they found. Its methods may be called at
// any time and from any goroutine.
type Checker struct {
	opts   Options
	tasks  []*task // sorted by name
	system *system

	ctx     context.Context // of all checks
	cancel  context.CancelFunc
	running sync.WaitGroup // runs under way
	version atomic.Uint64  // grows with whatever changes an answer
	closing sync.Once
	ended   chan struct{} // closed after Close, when nothing runs any more

	groups  map[string]*group
	gate    gate
	drain   drain
	headers headers
}

// New checks the options and starts the checks: the first run of each begins at
// once.
func New(o Options) (*Checker, error) {
	o = o.withDefaults()
	system, err := newSystem(o.System)
	var own []Check
	if err == nil {
		own = withDefaults(system.checks())
	}
	if err := errors.Join(o.validate(own), err); err != nil {
		return nil, err
	}
	c := &Checker{opts: o, system: system, headers: newHeaders(), ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.drain.checker, c.drain.done = c, make(chan struct{})
	for _, check := range slices.Concat(o.Checks, own) {
		c.tasks = append(c.tasks, newTask(c, check))
	}
	slices.SortFunc(c.tasks, func(a, b *task) int { return strings.Compare(a.check.Name, b.check.Name) })
	c.groups = newGroups(c)
	system.start()
	if !o.OnDemand {
		for _, t := range c.tasks {
			t.start()
		}
	}
	return c, nil
}

func withDefaults(checks []Check) []Check {
	for i, c := range checks {
		checks[i] = c.withDefaults()
	}
	return checks
}

// gate holds what the process says about itself, besides its checks.
type gate struct {
	mu       sync.Mutex
	failed   error
	notReady error
	closed   bool
}

// Fail turns liveness red for good, for a fault that only a restart mends, with an
// error or without one, whose text is for operators. The first one counts.
func (c *Checker) Fail(err error) {
	c.gate.mu.Lock()
	c.gate.failed = cmp.Or(c.gate.failed, cmp.Or(err, errFailed))
	c.gate.mu.Unlock()
	c.version.Add(1)
}

// SetReady turns readiness red by hand, as while a cache is filled, and gives it
// back to the checks. The text of why is for operators.
func (c *Checker) SetReady(ready bool, why string) {
	c.gate.mu.Lock()
	c.gate.notReady = nil
	if !ready {
		c.gate.notReady = fmt.Errorf("health: not ready: %s", clip(why, maxText))
	}
	c.gate.mu.Unlock()
	c.version.Add(1)
}

var (
	errFailed  = errors.New("health: the process has failed")
	errRunning = errors.New("health: checks have not returned")
)

// closeWait is how long Close waits for checks that are under way.
const closeWait = 5 * time.Second

// Close ends the checks and turns readiness red. It waits up to 5 s for those
// under way; the error says that some ignored the end of their context. It may
// be called more than once.
func (c *Checker) Close() error {
	ended := c.stop()
	timeout := time.NewTimer(closeWait)
	defer timeout.Stop()
	select {
	case <-ended:
		return nil
	case <-timeout.C:
		return errRunning
	}
}

// stop ends the checks. The channel is closed when those under way have returned.
func (c *Checker) stop() (ended <-chan struct{}) {
	c.closing.Do(func() {
		c.gate.mu.Lock()
		c.gate.closed = true
		c.gate.mu.Unlock()
		for _, t := range c.tasks {
			t.close()
		}
		c.cancel()
		c.version.Add(1)
		go func() { // one, however often Close is called while a check hangs
			defer close(c.ended)
			c.system.close()
			c.running.Wait()
		}()
	})
	return c.ended
}
