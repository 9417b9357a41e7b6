package host

import "errors"

// Usage is what a fake file system answers.
type Usage struct {
	Size, Free, Avail float64
	Files, FilesFree  float64
	ReadOnly          bool
}

// Env is what a test replaces of the system.
type Env struct {
	Root   string                           // before /proc and /sys
	Statfs func(path string) (Usage, error) // nil: the real one
	CPUs   []int                            // the affinity; nil: the real one
	NoCPUs bool                             // asking for the affinity fails
}

// NewIn is New in another environment.
func NewIn(o Options, e Env) (*Collector, error) {
	env := environment{root: e.Root, statfs: statfs, affinity: affinity}
	if e.Statfs != nil {
		env.statfs = func(path string) (usage, error) {
			u, err := e.Statfs(path)
			return usage{u.Size, u.Free, u.Avail, u.Files, u.FilesFree, u.ReadOnly}, err
		}
	}
	if e.CPUs != nil {
		env.affinity = func() (cpuSet, error) { return fakeCPUSet(e.CPUs), nil }
	}
	if e.NoCPUs {
		env.affinity = func() (cpuSet, error) { return fakeCPUSet(nil), errors.New("no affinity") }
	}
	return newCollector(o, env)
}
