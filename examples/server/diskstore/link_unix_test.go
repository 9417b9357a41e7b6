//go:build unix

package diskstore_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/diskstore"
)

func TestALinkOutOfTheDirectoryIsNotFollowed(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	key := strings.Repeat("a", 26)
	require.NoError(t, os.WriteFile(filepath.Join(outside, key), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "aa")))
	_, err := open(t, diskstore.Options{Dir: dir}).Open(t.Context(), key)
	e := requireCode(t, app.CodeUnavailable, err)
	require.NotContains(t, e.Message, "aa")
}
