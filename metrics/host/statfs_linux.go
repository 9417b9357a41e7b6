package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func statfs(path string) (usage, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(path, &st)
		if err == nil {
			return usageOf(&st), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
}

// usageOf counts in fragments, which is the unit of the block counts; f_bsize
// is only the preferred size of a transfer (statvfs(3)). The two differ on
// network and FUSE file systems.
func usageOf(st *unix.Statfs_t) usage {
	unit := float64(st.Frsize)
	if unit == 0 {
		unit = float64(st.Bsize)
	}
	return usage{
		size:      float64(st.Blocks) * unit,
		free:      float64(st.Bfree) * unit,
		avail:     float64(st.Bavail) * unit,
		files:     float64(st.Files),
		filesFree: float64(st.Ffree),
		readOnly:  uint64(st.Flags)&unix.ST_RDONLY != 0,
	}
}
