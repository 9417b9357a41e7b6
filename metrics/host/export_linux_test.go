package host

import "golang.org/x/sys/unix"

func fakeCPUSet(ids []int) cpuSet {
	set := unix.NewCPUSet(1024)
	for _, id := range ids {
		set.Set(id)
	}
	return set
}
