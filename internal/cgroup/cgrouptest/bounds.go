package cgrouptest

// GiB is what the fake machine is measured in.
const GiB = 1 << 30

// Bound is a system with what bounds a process there that may run on 4
// processors.
type Bound struct {
	Name          string
	Tree          Tree
	Cores, Memory float64
}

// Bounds are systems of all kinds.
func Bounds() []Bound {
	// deep is a container below a slice, as without a cgroup namespace.
	deep := func(groups ...Tree) Tree { return Machine(append([]Tree{SelfV2("/a/b/c")}, groups...)...) }
	return []Bound{
		{"no cgroups at all", Machine(), 4, 8 * GiB},
		{"v2 without limits", Machine(SelfV2("/a"), GroupV2("/a", "max 100000", "max")), 4, 8 * GiB},
		{"v2 in a cgroup namespace, limits at the root of the mount", Machine(SelfV2("/"), GroupV2("/", "150000 100000", "1073741824")), 1.5, GiB},
		{"v2 with less than a processor", Machine(SelfV2("/a"), GroupV2("/a", "5000 100000", "max")), 0.05, 8 * GiB},
		{"v2 with an unusual period", Machine(SelfV2("/a"), GroupV2("/a", "2500 1000", "max")), 2.5, 8 * GiB},
		{"v2 with limits above the machine", Machine(SelfV2("/a"), GroupV2("/a", "6400000 100000", "1099511627776")), 4, 8 * GiB},
		{"v2 with a limit of 0", Machine(SelfV2("/a"), GroupV2("/a", "max 100000", "0")), 4, 0},
		{"the cgroup is tighter than those above", deep(GroupV2("/a", "300000 100000", "3221225472"), GroupV2("/a/b/c", "100000 100000", "1073741824")), 1, GiB},
		{"one above is tighter", deep(GroupV2("/a", "100000 100000", "1073741824"), GroupV2("/a/b/c", "200000 100000", "2147483648")), 1, GiB},
		{"one in the middle is tighter for memory alone", deep(GroupV2("/a/b", "max 100000", "1073741824"), GroupV2("/a/b/c", "200000 100000", "max")), 2, GiB},
		{"a sibling is not above", deep(GroupV2("/a/x", "10000 100000", "4096"), GroupV2("/a/b/c", "max 100000", "max")), 4, 8 * GiB},
		{"v2 mounted somewhere else, with a space", func() Tree {
			m := Machine(GroupV2("/a", "max 100000", "max"))
			m["/proc/self/cgroup"] = "0::/a\n"
			m["/proc/self/mountinfo"] = `31 22 0:28 / /mnt/my\040groups rw - cgroup2 none rw` + "\n"
			m["/mnt/my groups/a/memory.max"] = "1073741824\n"
			return m
		}(), 4, GiB},
		{"v2 hidden by a later mount", func() Tree {
			m := Machine(SelfV2("/a"), GroupV2("/a", "100000 100000", "1073741824"))
			m["/proc/self/mountinfo"] += "32 31 0:29 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
			return m
		}(), 4, 8 * GiB},
		{"v2 not mounted", Machine(SelfV2("/a"), GroupV2("/a", "100000 100000", "1073741824"),
			Tree{"/proc/self/mountinfo": "22 1 0:21 / /proc rw - proc proc rw\n"}), 4, 8 * GiB},
		{"a cgroup outside of the namespace", Machine(SelfV2("/../other"), GroupV2("/", "100000 100000", "1073741824")), 4, 8 * GiB},
		{"a cgroup with a colon in its name", Machine(SelfV2("/a:b"), GroupV2("/a:b", "100000 100000", "1073741824")), 1, GiB},
		{"v1 without limits", Machine(SelfV1("/a", "/"), GroupV1("/a", "-1", "100000", UnlimitedV1)), 4, 8 * GiB},
		{"v1 without limits on pages of 64 KB", Machine(SelfV1("/a", "/"), GroupV1("/a", "-1", "100000", "9223372036854710272")), 4, 8 * GiB},
		{"v1 with limits", Machine(SelfV1("/a", "/"), GroupV1("/a", "50000", "100000", "1073741824")), 0.5, GiB},
		{"v1 with a tighter one above", Machine(SelfV1("/a/b", "/"), GroupV1("/a", "100000", "100000", "1073741824"), GroupV1("/a/b", "200000", "100000", "2147483648")), 1, GiB},
		{"v1 as a container sees it, its own cgroup mounted", Machine(SelfV1("/docker/7f", "/docker/7f"), GroupV1("/", "100000", "100000", "1073741824")), 1, GiB},
		{"v1 below the cgroup of the container", Machine(SelfV1("/docker/7f/x", "/docker/7f"), GroupV1("/", "100000", "100000", "1073741824"), GroupV1("/x", "-1", "100000", UnlimitedV1)), 1, GiB},
		{"v1 with the cgroup of another container mounted", Machine(SelfV1("/docker/7f", "/docker/7"), GroupV1("/", "100000", "100000", "1073741824")), 4, 8 * GiB},
		{"v1 with a limit on memory out of sight", Machine(SelfV1("/docker/7f", "/docker/7f"), GroupV1("/", "-1", "100000", UnlimitedV1), Tree{
			"/sys/fs/cgroup/memory/memory.stat": "hierarchical_memory_limit 1073741824\ntotal_inactive_file 0\n",
		}), 4, GiB},
		{"hybrid, where v1 governs and v2 only groups", Machine(SelfV1("/a", "/"), GroupV1("/a", "100000", "100000", "1073741824"), Tree{
			"/proc/self/cgroup":                   SelfV1("/a", "/")["/proc/self/cgroup"] + "0::/svc\n",
			"/proc/self/mountinfo":                SelfV1("/a", "/")["/proc/self/mountinfo"] + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup/unified/svc/cpu.stat": "usage_usec 1\n",
		}), 1, GiB},
		{"hybrid, where v2 governs memory", Machine(SelfV1("/a", "/"), GroupV1("/a", "100000", "100000", "2147483648"), Tree{
			"/proc/self/cgroup":                       "2:cpu,cpuacct:/a\n0::/svc\n",
			"/proc/self/mountinfo":                    SelfV1("/a", "/")["/proc/self/mountinfo"] + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"/sys/fs/cgroup/unified/svc/memory.max":   "1073741824\n",
			"/sys/fs/cgroup/unified/svc/cpu.pressure": Pressure("1", "1"),
		}), 1, GiB},
	}
}
