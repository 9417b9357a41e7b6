package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
)

// DiskOptions configure [Disk].
type DiskOptions struct {
	// MaxPercent is the share of the space, or of the inodes, above which the
	// check is degraded. Negative: none.
	// Default: 90.
	MaxPercent float64
	// FullPercent is the share from which it is unhealthy, with [ReasonFull].
	// Negative: none.
	// Default: 99.
	FullPercent float64
	// Source asks the file system.
	// Default: statfs on Linux, macOS, FreeBSD and DragonFly. On other systems
	// the check fails without one; see the package health/gopsutil.
	Source func(path string) (DiskSpace, error)
}

// Disk checks the file system that an absolute path is on, as that of a data
// directory. Space counts as for df: what only root may use is neither used nor
// available. A file system that does not answer is unhealthy and is not asked
// again before it has answered, so that one goroutine waits for it, not one for
// each run. Facts: usage_percent, avail_bytes, inodes_usage_percent.
func Disk(path string, o DiskOptions) Func {
	o.MaxPercent = cmp.Or(o.MaxPercent, 90)
	o.FullPercent = cmp.Or(o.FullPercent, 99)
	if o.Source == nil {
		o.Source = defaultSource().Disk
	}
	fault := o.validate(path)
	var q question[DiskSpace]
	return func(ctx context.Context) error {
		if fault != nil {
			return fault
		}
		space, err := q.ask(func() (DiskSpace, error) { return o.Source(path) }).wait(ctx)
		if err != nil {
			return fmt.Errorf("health: disk: %w", err)
		}
		return o.judge(ctx, space)
	}
}

func (o DiskOptions) validate(path string) error {
	var faults []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("health: Disk."+field+": "+format, args...))
		}
	}
	check(filepath.IsAbs(path), "path", "%q is not an absolute path", path)
	check(isShare(o.MaxPercent), "MaxPercent", "must be at most 100")
	check(isShare(o.FullPercent), "FullPercent", "must be at most 100")
	if o.Source == nil {
		faults = append(faults, fmt.Errorf("health: Disk.Source: %s: %w", runtime.GOOS, errors.ErrUnsupported))
	}
	return errors.Join(faults...)
}

func (o DiskOptions) judge(ctx context.Context, space DiskSpace) error {
	m := space.measure()
	if !m.known {
		return errors.New("health: disk: the file system has no size")
	}
	for _, f := range m.facts {
		Set(ctx, f.key, f.value)
	}
	inUse := func() error { return fmt.Errorf("health: disk: %.2f %% in use", m.worst) }
	switch {
	case o.FullPercent >= 0 && m.worst >= o.FullPercent:
		return WithReason(inUse(), ReasonFull)
	case o.MaxPercent >= 0 && m.worst > o.MaxPercent:
		return Degraded(WithReason(inUse(), ReasonThreshold))
	}
	return nil
}
