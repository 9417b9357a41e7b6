package diskstore_test

import (
	"io"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/diskstore"
)

// A limit on the size of files makes write(2) fail half-way through one, as a
// full disk does.
func TestADiskThatIsFullLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	small := limit
	small.Cur = 64 << 10
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	_, err := s.Put(t.Context(), io.LimitReader(letters{}, 1<<20))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))

	e := requireCode(t, app.CodeUnavailable, err)
	require.ErrorIs(t, e, syscall.EFBIG)
	require.NotContains(t, e.Message, "large")
	require.Empty(t, stored(t, dir))
	_, err = s.Put(t.Context(), strings.NewReader("there is room again"))
	require.NoError(t, err)
}
