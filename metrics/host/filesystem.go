package host

import (
	"context"
	"fmt"
	"sync"
)

// usage is what a file system says about itself.
type usage struct {
	size, free, avail float64 // bytes
	files, filesFree  float64
	readOnly          bool
}

// disk is one watched path.
type disk struct {
	name   string
	path   string
	statfs func(path string) (usage, error)

	mu      sync.Mutex
	pending *call // nil when none is under way
}

// call is one question to a file system.
type call struct {
	done  chan struct{}
	usage usage
	err   error
}

// start asks the file system, unless it still owes an answer: statfs cannot be
// interrupted while a network file system is away, so a second one would only
// hold one more goroutine and thread for as long.
func (d *disk) start() *call {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending != nil {
		return d.pending
	}
	c := &call{done: make(chan struct{})}
	d.pending = c
	go func() {
		c.usage, c.err = d.statfs(d.path)
		d.mu.Lock()
		d.pending = nil
		d.mu.Unlock()
		close(c.done)
	}()
	return c
}

func startAll(disks []*disk) []*call {
	calls := make([]*call, len(disks))
	for i, d := range disks {
		calls[i] = d.start()
	}
	return calls
}

// wait returns the answer, or an error when ctx ends before there is one.
func (c *call) wait(ctx context.Context) (usage, error) {
	select {
	case <-c.done:
		return c.usage, c.err
	default: // another file system may have used up the time
	}
	select {
	case <-c.done:
		return c.usage, c.err
	case <-ctx.Done():
		return usage{}, fmt.Errorf("the file system does not answer: %w", ctx.Err())
	}
}
