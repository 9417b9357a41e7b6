package cgroup

import "errors"

// Groups are the hierarchies that matter here, nil where there is none.
type Groups struct {
	CPU, CPUAcct, Memory, Pids *Group
	Unified                    *Group // version 2, which alone knows pressure
}

// Locate looks where the process is now: it may be moved at any time. The
// mounts do not move; they are read until that has worked once.
func (r *Reader) Locate() (*Groups, error) {
	b, err := r.Read(r.Path("/proc/self/cgroup"))
	if IsAbsent(err) {
		return &Groups{}, nil
	}
	memberships, err2 := parseMemberships(b)
	if err := errors.Join(err, err2, r.readMounts()); err != nil {
		return nil, err
	}
	at := func(controller string) *Group { return find(controller, memberships, r.mounts) }
	return &Groups{CPU: at("cpu"), CPUAcct: at("cpuacct"), Memory: at("memory"), Pids: at("pids"), Unified: at("")}, nil
}

func (r *Reader) readMounts() error {
	if r.mounts != nil {
		return nil
	}
	path := r.Path("/proc/self/mountinfo")
	once := &Reader{} // this file alone may be large, and is read once
	b, err := once.read(path, maxMounts)
	if UnlessAbsent(err) != nil {
		return err
	}
	found, err := parseMounts(b)
	if err != nil {
		return In(path, err)
	}
	mounts := []mount{}
	for _, m := range found {
		m.dir = r.Path(m.dir)
		mounts = append(mounts, m)
	}
	r.mounts = mounts
	return nil
}
