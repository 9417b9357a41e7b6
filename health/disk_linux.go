package health

import (
	"cmp"
	"syscall"
)

// spaceOf counts in fragments, which is the unit of the block counts; f_bsize
// is only the preferred size of a transfer (statvfs(3)). The two differ on
// network and FUSE file systems.
func spaceOf(st *syscall.Statfs_t) DiskSpace {
	unit := uint64(cmp.Or(st.Frsize, st.Bsize))
	return DiskSpace{
		Used:       (st.Blocks - min(st.Bfree, st.Blocks)) * unit,
		Avail:      st.Bavail * unit,
		Inodes:     st.Files,
		InodesFree: st.Ffree,
	}
}
