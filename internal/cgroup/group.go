package cgroup

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
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

// Group is the cgroup of this process in one hierarchy, with the cgroups above
// it as far as they can be seen.
type Group struct {
	V2    bool
	Path  string // from the outermost one to that of the process, "/" if it is the same
	mount string // directory of the outermost one
}

// find looks for the cgroup that the controller governs this process through.
// A controller belongs to one hierarchy only, of version 1 if it is listed
// there (cgroups(7), hybrid systems). An empty controller asks for version 2.
func find(controller string, memberships []membership, mounts []mount) *Group {
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
func locate(self string, v2 bool, mounts []mount, fits func(mount) bool) *Group {
	var best *Group
	for _, m := range mounts {
		if !fits(m) {
			continue
		}
		rel, ok := below(m.root, self)
		if ok && (best == nil || len(rel) > len(best.Path)) {
			best = &Group{V2: v2, mount: m.dir, Path: rel}
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

// Levels returns the cgroup and those above it, outermost first.
func (g *Group) Levels() []string {
	if g == nil {
		return nil
	}
	var all []string
	for p := g.Path; len(all) < maxLevels; p = path.Dir(p) {
		all = append(all, p)
		if p == "/" {
			break
		}
	}
	slices.Reverse(all)
	return all
}

// File is the path of a file of the cgroup at a level.
func (g *Group) File(level, name string) string { return filepath.Join(g.mount, level, name) }
