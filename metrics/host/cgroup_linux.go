package host

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// membership is a line of /proc/self/cgroup: where in a hierarchy the process
// is, as its cgroup namespace sees it.
type membership struct {
	controllers []string // none in version 2
	path        string
}

func (m membership) v2() bool { return len(m.controllers) == 0 }

// parseMemberships reads "id:controllers:path" lines (cgroups(7)). The path may
// hold colons itself.
func parseMemberships(b []byte) ([]membership, error) {
	var all []membership
	for line := range bytes.Lines(b) {
		id, rest, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), ":")
		controllers, dir, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(dir, "/") || (controllers == "") != (id == "0") {
			return nil, fmt.Errorf("%q is not a line of /proc/self/cgroup", line)
		}
		m := membership{path: dir}
		if controllers != "" {
			m.controllers = strings.Split(controllers, ",")
		}
		all = append(all, m)
	}
	return all, nil
}

// mount is a mounted cgroup hierarchy.
type mount struct {
	controllers []string // none in version 2
	root        string   // the cgroup that is mounted here
	dir         string
}

// cgroupMounts picks the cgroup hierarchies. A later mount on the same
// directory hides the earlier one.
func cgroupMounts(infos []*procfs.MountInfo) []mount {
	var mounts []mount
	for _, info := range infos {
		dir := unescape(info.MountPoint)
		mounts = slices.DeleteFunc(mounts, func(m mount) bool { return m.dir == dir })
		m := mount{root: unescape(info.Root), dir: dir}
		switch info.FSType {
		case "cgroup":
			for option := range info.SuperOptions {
				m.controllers = append(m.controllers, option) // "rw" among them does no harm
			}
		case "cgroup2":
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape undoes what the kernel does to the characters that separate fields
// (proc_pid_mountinfo(5)).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// cgroup is the cgroup of this process in one hierarchy, with the cgroups above
// it as far as they can be seen.
type cgroup struct {
	v2    bool
	mount string // directory of the outermost one
	path  string // from there to the cgroup of the process, "/" if it is the same
}

// find looks for the cgroup that the controller governs this process through.
// A controller belongs to one hierarchy only, of version 1 if it is listed
// there (cgroups(7), hybrid systems). An empty controller asks for version 2.
func find(controller string, memberships []membership, mounts []mount) *cgroup {
	in := func(controllers []string) bool { return slices.Contains(controllers, controller) }
	for _, m := range memberships {
		if in(m.controllers) {
			return locate(m.path, false, mounts, func(x mount) bool { return in(x.controllers) })
		}
	}
	for _, m := range memberships {
		if m.v2() {
			return locate(m.path, true, mounts, func(x mount) bool { return len(x.controllers) == 0 })
		}
	}
	return nil
}

// locate finds the mount under which most of the way to the cgroup can be seen.
// A mount that shows another part of the hierarchy does not count: its limits
// are not ours.
func locate(self string, v2 bool, mounts []mount, fits func(mount) bool) *cgroup {
	var best *cgroup
	for _, m := range mounts {
		if !fits(m) {
			continue
		}
		rel, ok := below(m.root, self)
		if ok && (best == nil || len(rel) > len(best.path)) {
			best = &cgroup{v2: v2, mount: m.dir, path: rel}
		}
	}
	return best
}

// below returns the way from root to dir. A dir outside of the cgroup namespace
// starts with "/..", of which nothing is known.
func below(root, dir string) (string, bool) {
	if strings.HasPrefix(dir, "/..") || strings.HasPrefix(root, "/..") {
		return "", false
	}
	if root == "/" {
		return path.Clean(dir), true
	}
	rest, ok := strings.CutPrefix(dir, root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Clean("/" + rest), true
}

// maxLevels bounds the work for a process that sits absurdly deep.
const maxLevels = 64

// levels returns the cgroup and those above it, outermost first.
func (c *cgroup) levels() []string {
	if c == nil {
		return nil
	}
	var all []string
	for p := c.path; len(all) < maxLevels; p = path.Dir(p) {
		all = append(all, p)
		if p == "/" {
			break
		}
	}
	slices.Reverse(all)
	return all
}

// file is the path of a file of the cgroup at a level.
func (c *cgroup) file(level, name string) string { return filepath.Join(c.mount, level, name) }

// cgroups are the hierarchies that matter here, nil where there is none.
type cgroups struct {
	cpu, cpuacct, memory, pids *cgroup
	unified                    *cgroup // version 2, which alone knows pressure
}

// locateCgroups looks where the process is now: it may be moved at any time.
// The mounts do not move; they are read until that has worked once.
func (s *system) locateCgroups() (*cgroups, error) {
	b, err := s.read(s.path("/proc/self/cgroup"))
	if isAbsent(err) {
		return &cgroups{}, nil
	}
	memberships, err2 := parseMemberships(b)
	if err := errors.Join(err, err2, s.readMounts()); err != nil {
		return nil, err
	}
	at := func(controller string) *cgroup { return find(controller, memberships, s.mounts) }
	return &cgroups{cpu: at("cpu"), cpuacct: at("cpuacct"), memory: at("memory"), pids: at("pids"), unified: at("")}, nil
}

func (s *system) readMounts() error {
	if s.mounts != nil {
		return nil
	}
	proc, err := s.proc()
	if err != nil {
		return err
	}
	infos, err := proc.GetMounts()
	if err != nil && !isAbsent(err) {
		return err
	}
	s.mounts = []mount{}
	for _, m := range cgroupMounts(infos) {
		m.dir = s.path(m.dir)
		s.mounts = append(s.mounts, m)
	}
	return nil
}
