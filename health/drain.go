package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// drain is the end of a service.
type drain struct {
	checker *Checker
	once    sync.Once
	done    chan struct{} // closed with err
	err     error

	watching atomic.Bool // there is a Middleware
	begun    atomic.Bool
	inFlight atomic.Int64
	last     atomic.Int64 // the instant of the last request since then
	refusals atomic.Int64 // answers since then that said unready

	conns conns

	mu      sync.Mutex
	closers []closer
}

type closer struct {
	name  string
	close func(context.Context) error
}

func (d *drain) unready() bool { return d.begun.Load() && !d.checker.opts.Drain.StayReady }

func (d *drain) arrived() {
	d.inFlight.Add(1)
	if d.begun.Load() {
		d.last.Store(int64(respw.Now()))
	}
}

// refused counts the answers by which load balancers learn that it is over.
func (d *drain) refused(group string) {
	if d.begun.Load() && (group == Readiness || group == everything) {
		d.refusals.Add(1)
	}
}

// OnShutdown registers what [Checker.Drain] calls after the last request, the
// last one first: flushing a reporter, closing a pool. Each may take half of the
// time that is left to the drain, and the last one all of it, so that one that
// hangs leaves the others their turn; its context ends then. The name is for the
// error. What is registered after Drain has begun may not be called.
func (c *Checker) OnShutdown(name string, f func(context.Context) error) {
	c.drain.mu.Lock()
	defer c.drain.mu.Unlock()
	c.drain.closers = append(c.drain.closers, closer{name, f})
}

// Drain ends a service without losing a request:
//
//  1. Readiness turns red, and each answer of [Checker.Middleware] asks its
//     client to leave the connection.
//  2. Requests are taken for Wait, until load balancers have noticed; see
//     [DrainOptions].
//  3. The servers are shut down in the order given: no new connections, running
//     requests finish. Meanwhile WebSockets are told 1001, going away (RFC 6455
//     §7.4.1). What was hijacked and has not ended 3 s after the last request is
//     closed.
//  4. The checks end, before what they look at is closed.
//  5. What [Checker.OnShutdown] was given is called, the last one first.
//
// All of it takes no longer than [DrainOptions].Timeout, and ends at once when
// ctx does; then running requests are cut off, which is an error, and closers are
// still called. A ctx that is over already, as that of the signal that began it,
// counts as none. Further calls wait for the first one and return its error.
//
// The second signal is the caller's: let it end the process at once.
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	...
//	<-ctx.Done()
//	stop() // a second signal has its usual effect again
//	err := hc.Drain(ctx, srv)
func (c *Checker) Drain(ctx context.Context, servers ...*http.Server) error {
	d := &c.drain
	d.once.Do(func() {
		go func() {
			defer close(d.done)
			d.err = d.run(ctx, servers)
		}()
	})
	<-d.done
	return d.err
}

func (d *drain) run(ctx context.Context, servers []*http.Server) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	o := d.checker.opts
	ctx, cancel := context.WithTimeout(ctx, o.Drain.Timeout)
	defer cancel()
	start := time.Now()
	d.begin()
	o.Logger.Info("health: draining", "wait", max(o.Drain.Wait, 0).String(), "timeout", o.Drain.Timeout.String())
	if o.OnDrain != nil {
		go (&events{logger: o.Logger}).call(o.OnDrain)
	}
	d.wait(ctx)
	// A fifth of the time is kept for what comes after the servers.
	end, _ := ctx.Deadline()
	serving, stop := context.WithDeadline(ctx, end.Add(-time.Until(end)/5))
	defer stop()
	err := d.shutdown(serving, servers)
	err = errors.Join(err, d.finish(ctx))
	took := time.Since(start).Round(time.Millisecond).String()
	if err != nil {
		o.Logger.Warn("health: drained, but not all ended in time", "took", took, "error", err)
		return err
	}
	o.Logger.Info("health: drained", "took", took)
	return nil
}

func (d *drain) begin() {
	d.last.Store(int64(respw.Now()))
	d.begun.Store(true)
	d.checker.version.Add(1)
}

// wait takes requests until load balancers have had the time to notice.
func (d *drain) wait(ctx context.Context) {
	o := d.checker.opts.Drain
	if o.Wait < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	look := time.NewTicker(max(o.Quiet/10, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if d.noticed() && respw.Instant(d.last.Load()).Elapsed() >= o.Quiet {
				return
			}
		}
	}
}

// noticed reports whether load balancers have been told. Without a Middleware
// nobody knows whether they act upon it.
func (d *drain) noticed() bool {
	probes := d.checker.opts.Drain.Probes
	return d.watching.Load() && probes >= 0 && d.refusals.Load() >= int64(probes)
}

// shutdown ends the servers one after the other, and with them what they do not
// know.
func (d *drain) shutdown(ctx context.Context, servers []*http.Server) error {
	told := make(chan struct{})
	go func() {
		defer close(told)
		d.conns.goAway()
	}()
	end, _ := ctx.Deadline()
	limit := time.NewTimer(min(goodbyeTime, time.Until(end)))
	defer limit.Stop()
	var faults []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			faults = append(faults, d.cutOff(err), srv.Close())
		}
	}
	select {
	case <-told:
	case <-limit.C: // a handler may have lifted the deadline of a goodbye
	}
	ctx, cancel := context.WithTimeout(ctx, endWait)
	defer cancel()
	if len(servers) > 0 { // or there may be requests that are not to end
		d.handOver(ctx)
	}
	if n := d.conns.end(ctx); n > 0 {
		d.checker.opts.Logger.Warn("health: connections that did not close were cut off", "connections", n)
	}
	return errors.Join(faults...)
}

// handOver waits for handlers that are taking a connection over: the server has
// forgotten it already, and we do not know it yet.
func (d *drain) handOver(ctx context.Context) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for d.inFlight.Load() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// cutOff tells what a server that could not be shut down has lost, if anything:
// one whose listener was closed before says so, too.
func (d *drain) cutOff(err error) error {
	n := d.inFlight.Load()
	switch {
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
		return fmt.Errorf("health: shutdown of a server: %w", err)
	case n == 0:
		return fmt.Errorf("health: connections were cut off: %w", err)
	default:
		return fmt.Errorf("health: %d requests were cut off: %w", n, err)
	}
}

// lastWait is how long closers get when the time is over before their turn.
const lastWait = time.Second

// finish ends the checks, and then what they look at.
func (d *drain) finish(ctx context.Context) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWait)
		defer cancel()
	}
	ended := d.checker.stop()
	limit := time.NewTimer(closeWait)
	defer limit.Stop()
	err := d.close(ctx)
	select {
	case <-ended:
		return err
	default:
	}
	select {
	case <-ended:
		return err
	case <-limit.C:
	case <-ctx.Done():
	}
	return errors.Join(err, errRunning)
}

// close calls the closers, the last first, and leaves alone what does not end.
func (d *drain) close(ctx context.Context) error {
	d.mu.Lock()
	closers := d.closers
	d.mu.Unlock()
	end, _ := ctx.Deadline()
	var faults []error
	for i, c := range slices.Backward(closers) {
		left := time.Until(end)
		if i > 0 {
			left /= 2
		}
		faults = append(faults, c.within(ctx, left))
	}
	return errors.Join(faults...)
}

// within calls the closer, and leaves it alone when its time is over.
func (c closer) within(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := fmt.Errorf("health: shutdown: %s: ended its goroutine", c.name)
		defer func() { done <- err }()
		err = c.call(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("health: shutdown: %s: %w", c.name, ctx.Err())
	}
}

func (c closer) call(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("health: shutdown: %s: panic: %v", c.name, v)
		}
	}()
	if err := c.close(ctx); err != nil {
		return fmt.Errorf("health: shutdown: %s: %w", c.name, err)
	}
	return nil
}
