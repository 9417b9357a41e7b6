package cgroup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// mount is a mounted cgroup hierarchy.
type mount struct {
	controllers []string // none in version 2
	root        string   // the cgroup that is mounted here
	dir         string
}

// parseMounts picks the cgroup hierarchies from /proc/self/mountinfo. A later
// mount on the same directory hides the earlier one.
func parseMounts(b []byte) ([]mount, error) {
	var mounts []mount
	for line := range bytes.Lines(b) {
		m, fsType, err := parseMount(string(line))
		if err != nil {
			return nil, err
		}
		mounts = slices.DeleteFunc(mounts, func(other mount) bool { return other.dir == m.dir })
		if fsType == "cgroup" || fsType == "cgroup2" {
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

// parseMount reads a line "id parent major:minor root dir options tag... - type
// source options" (proc_pid_mountinfo(5)), where there may be no tag. What
// comes after the type is read for cgroups alone: file systems put into it what
// they like, spaces too.
func parseMount(line string) (m mount, fsType string, err error) {
	before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
	// No other white space separates fields, and names may hold it.
	fields, rest := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(fields) < 6 || rest[0] == "" {
		return mount{}, "", fmt.Errorf("%.200q is not a line of /proc/self/mountinfo", line)
	}
	m = mount{root: unescape(fields[3]), dir: unescape(fields[4])}
	if rest[0] == "cgroup" {
		// "rw" among them does no harm, and keeps the list from being empty.
		m.controllers = strings.Split(rest[len(rest)-1], ",")
	}
	return m, rest[0], nil
}

// unescape undoes what the kernel does to the characters that separate fields
// (proc_pid_mountinfo(5)).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
