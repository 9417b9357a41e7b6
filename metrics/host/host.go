package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector reads the host at every scrape. It is a [prometheus.Collector] and
// may be scraped by several at a time.
type Collector struct {
	families *families
	disks    []*disk
	timeout  time.Duration
	faults   *faults

	mu     sync.Mutex // guards system, whose buffers are used again
	system *system
}

// environment is what a test replaces.
type environment struct {
	root     string // before every path of the kernel's own file systems
	statfs   func(path string) (usage, error)
	affinity func() (cpuSet, error)
}

// New checks the options and returns a collector; register it yourself. A path
// that does not exist is a fault. One that does not answer is not: the service
// should start without it, and host_filesystem_up tells.
//
// On systems other than Linux and macOS the error is [errors.ErrUnsupported].
func New(o Options) (*Collector, error) {
	return newCollector(o, environment{statfs: statfs, affinity: affinity})
}

func newCollector(o Options, env environment) (*Collector, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Collector{
		families: newFamilies(o.Namespace),
		timeout:  o.Timeout,
		faults:   newFaults(o.Logger, sources()),
		system:   newSystem(env),
	}
	for _, name := range slices.Sorted(maps.Keys(o.Paths)) {
		c.disks = append(c.disks, &disk{name: name, path: o.Paths[name], statfs: env.statfs})
	}
	if err := c.checkPaths(); err != nil {
		return nil, err
	}
	return c, nil
}

// checkPaths asks in the same bounded way as a scrape, because looking for a
// path on a dead network file system hangs just as well.
func (c *Collector) checkPaths() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	var faults []error
	for i, call := range startAll(c.disks) {
		if _, err := call.wait(ctx); isMisspelt(err) {
			faults = append(faults, fmt.Errorf("host: Paths: %q: %w", c.disks[i].name, err))
		}
	}
	return errors.Join(faults...)
}

// isMisspelt tells a wrong path from a file system in trouble.
func isMisspelt(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR)
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.families.all {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. It returns within the timeout for
// file systems; everything else it reads is the kernel's own memory.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, m := range c.gather() { // sent without the lock: the receiver may be slow
		ch <- m
	}
}

func (c *Collector) gather() []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	calls := startAll(c.disks) // they run while the rest is read
	b := &batch{families: c.families, faults: c.faults, metrics: make([]prometheus.Metric, 0, 96)}
	c.mu.Lock()
	c.system.collect(b)
	c.mu.Unlock()
	for i, call := range calls {
		b.filesystem(c.disks[i].name, func() (usage, error) { return call.wait(ctx) })
	}
	for source, n := range c.faults.counts() {
		b.counter(c.families.errors, float64(n), source)
	}
	return b.metrics
}

// batch is what one scrape found.
type batch struct {
	families *families
	faults   *faults
	metrics  []prometheus.Metric
}

func (b *batch) gauge(d *prometheus.Desc, v float64, labels ...string) {
	b.metrics = append(b.metrics, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...))
}

func (b *batch) counter(d *prometheus.Desc, v float64, labels ...string) {
	b.metrics = append(b.metrics, prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...))
}

func (b *batch) filesystem(name string, wait func() (usage, error)) {
	u, err := wait()
	b.faults.note("filesystem", "filesystem "+name, err)
	b.gauge(b.families.fsUp, number(err == nil), name)
	if err != nil {
		return
	}
	b.gauge(b.families.fsReadOnly, number(u.readOnly), name)
	if u.size > 0 { // /proc and the like have no size
		b.gauge(b.families.fsSize, u.size, name)
		b.gauge(b.families.fsFree, u.free, name)
		b.gauge(b.families.fsAvail, u.avail, name)
	}
	if u.files > 0 { // some file systems, btrfs for one, have no fixed number of inodes
		b.gauge(b.families.fsFiles, u.files, name)
		b.gauge(b.families.fsFilesFree, u.filesFree, name)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
