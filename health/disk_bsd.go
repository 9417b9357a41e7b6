//go:build darwin || freebsd || dragonfly

package health

import "syscall"

// spaceOf counts in f_bsize, which is the unit of the block counts here. What
// is available is below 0 while root uses its reserve.
func spaceOf(st *syscall.Statfs_t) DiskSpace {
	unit := uint64(st.Bsize)
	blocks, free := uint64(st.Blocks), uint64(st.Bfree)
	return DiskSpace{
		Used:       (blocks - min(free, blocks)) * unit,
		Avail:      uint64(max(int64(st.Bavail), 0)) * unit,
		Inodes:     uint64(st.Files),
		InodesFree: uint64(max(int64(st.Ffree), 0)),
	}
}
