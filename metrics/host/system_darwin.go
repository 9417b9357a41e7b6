package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sources is what host_collect_errors_total counts.
func sources() []string { return []string{"filesystem"} }

func supported() error { return nil }

// system is empty: what macOS tells about processors and memory needs more
// than files.
type system struct{}

func newSystem(environment) *system { return &system{} }

func (s *system) collect(*batch) {}

type cpuSet struct{}

func affinity() (cpuSet, error) { return cpuSet{}, errors.ErrUnsupported }

func statfs(path string) (usage, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(path, &st)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
	unit := float64(st.Bsize) // macOS counts in f_bsize
	return usage{
		size:      float64(st.Blocks) * unit,
		free:      float64(st.Bfree) * unit,
		avail:     float64(st.Bavail) * unit,
		files:     float64(st.Files),
		filesFree: float64(st.Ffree),
		readOnly:  st.Flags&unix.MNT_RDONLY != 0,
	}, nil
}
