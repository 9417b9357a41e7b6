package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

// SystemOptions configure the checks "cpu", "memory" and "disk" and the measures
// in [Checker] answers. The checks are part of /health and /health/detailed
// alone and only degrade: a process that is taken out of service because it has
// much to do leaves its load to the others.
type SystemOptions struct {
	// Disable switches all of it off.
	// Default: false, where the system is supported: Linux for everything, macOS,
	// FreeBSD and DragonFly for the disk.
	Disable bool
	// Source is what to ask. A field that is nil has its default. For systems
	// other than Linux see the package health/gopsutil.
	// Default: files of the kernel and the file system itself.
	Source SystemSource
	// Interval is the time between two samples, and with that the window over
	// which the use of processors is counted. At least 100 ms.
	// Default: 5 s.
	Interval time.Duration
	// Timeout is for how long a sample is waited for. It must be less than
	// Interval.
	// Default: 1 s, or half of Interval if that is less.
	Timeout time.Duration
	// Path is an absolute path on the file system to measure: that which the
	// service writes to. See [Disk] for more of them.
	// Default: "/".
	Path string

	// MaxCPUPercent is the share of the processors the process may use above
	// which "cpu" is degraded. Negative: none.
	// Default: 90.
	MaxCPUPercent float64
	// MaxMemoryPercent is the share of the memory limit above which "memory" is
	// degraded. Negative: none.
	// Default: 90.
	MaxMemoryPercent float64
	// MaxDiskPercent is the share of the space, or of the inodes, above which
	// "disk" is degraded. Negative: none.
	// Default: 90.
	MaxDiskPercent float64
}

// SystemSource measures the system. Neither function is called again before it has
// returned.
type SystemSource struct {
	// Sample measures processors and memory. What it returns along with an error
	// counts. It should return when ctx ends.
	// Default: files of the kernel on Linux, none on other systems.
	Sample func(ctx context.Context) (SystemSample, error)
	// Disk measures the file system that path is on.
	// Default: statfs on Linux, macOS, FreeBSD and DragonFly, none on other
	// systems.
	Disk func(path string) (DiskSpace, error)
}

// SystemSample is a measure of the system. Zero means unknown, in every field.
type SystemSample struct {
	// CPUSeconds is the processor time used since some fixed moment, by all that
	// share the limit CPUCores.
	CPUSeconds float64
	// CPUCores is how many processors can be used: a quota may be a fraction.
	CPUCores float64
	// CPUOf names what CPUSeconds is counted for. When it changes, as when a
	// quota is set, the count begins anew.
	CPUOf string
	// Periods is how many periods of the quota there were, and Throttled in how
	// many of these it was used up. Both are counted as CPUSeconds is.
	Periods, Throttled uint64

	// MemoryUsed is the memory in bytes that could not be given back at once, of
	// all that share the limit MemoryLimit.
	MemoryUsed, MemoryLimit uint64

	// Pressure is how long tasks waited for resources.
	Pressure []SystemPressure
}

// SystemPressure is pressure stall information of Linux.
type SystemPressure struct {
	Resource string  // "cpu", "memory" or "io"
	Kind     string  // "some" or "full": of the tasks waited
	Avg10    float64 // as a percentage of the last ten seconds
}

// DiskSpace is what a file system has, in bytes and in inodes. One without a size,
// or without a fixed number of inodes, has zeros.
type DiskSpace struct {
	Used, Avail        uint64 // without what is reserved for root, as df counts
	Inodes, InodesFree uint64
}

// system samples the machine.
type system struct {
	SystemOptions
	sample question[sampled]
	disk   question[DiskSpace]
	ready  chan struct{} // closed after the first round

	mu       sync.Mutex // guards what follows
	timer    *time.Timer
	cancel   context.CancelFunc // of a sample under way
	ctx      context.Context
	closed   bool
	last     sampled // that the next use of processors is counted from
	measures [kinds]measure
	rounds   sync.WaitGroup // pending or under way
}

const leastInterval = 100 * time.Millisecond // /proc/stat counts in hundredths of a second

// newSystem checks the options. It asks nothing yet: a file system may hang.
func newSystem(o SystemOptions) (*system, error) {
	if o.Disable {
		return &system{}, nil
	}
	defaults := defaultSource()
	if o.Source.Sample == nil {
		o.Source.Sample = defaults.Sample
	}
	if o.Source.Disk == nil {
		o.Source.Disk = defaults.Disk
	}
	o.Interval = cmp.Or(o.Interval, 5*time.Second)
	o.Timeout = cmp.Or(o.Timeout, min(time.Second, o.Interval/2))
	o.MaxCPUPercent = cmp.Or(o.MaxCPUPercent, 90)
	o.MaxMemoryPercent = cmp.Or(o.MaxMemoryPercent, 90)
	o.MaxDiskPercent = cmp.Or(o.MaxDiskPercent, 90)
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.Path = cmp.Or(o.Path, "/")
	return &system{SystemOptions: o, ready: make(chan struct{})}, nil
}

func (o SystemOptions) validate() error {
	var faults []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("health: System."+field+": "+format, args...))
		}
	}
	check(o.Interval >= leastInterval, "Interval", "must be at least %v; Disable switches it off", leastInterval)
	check(o.Timeout > 0, "Timeout", "must not be negative: a sample without a bound can hang")
	check(o.Timeout < o.Interval || o.Interval < leastInterval, "Timeout", "must be less than Interval")
	check(o.Path == "" || filepath.IsAbs(o.Path), "Path", "%q is not an absolute path", o.Path)
	check(isShare(o.MaxCPUPercent), "MaxCPUPercent", "must be at most 100")
	check(isShare(o.MaxMemoryPercent), "MaxMemoryPercent", "must be at most 100")
	check(isShare(o.MaxDiskPercent), "MaxDiskPercent", "must be at most 100")
	return errors.Join(faults...)
}

// isShare reports whether p is a percentage, or negative for none. NaN is
// neither.
func isShare(p float64) bool { return p <= 100 }

// off reports whether there is nothing to ask.
func (s *system) off() bool { return s.Source.Sample == nil && s.Source.Disk == nil }
