package host

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestBlocksAreCountedInFragments(t *testing.T) {
	st := unix.Statfs_t{Bsize: 1 << 20, Frsize: 4096, Blocks: 10, Bfree: 5, Bavail: 4, Files: 7, Ffree: 3, Flags: unix.ST_RDONLY | 0x20}
	require.Equal(t, usage{size: 40960, free: 20480, avail: 16384, files: 7, filesFree: 3, readOnly: true}, usageOf(&st))
	st.Frsize, st.Flags = 0, 0x20
	require.Equal(t, usage{size: 10 << 20, free: 5 << 20, avail: 4 << 20, files: 7, filesFree: 3}, usageOf(&st))
}
