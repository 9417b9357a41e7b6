package diskstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/diskstore"
)

// age makes a file as old as d.
func age(t *testing.T, path string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	require.NoError(t, os.Chtimes(path, at, at))
}

func TestNewRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	incoming := filepath.Join(dir, "incoming")
	require.NoError(t, os.Mkdir(incoming, 0o700))
	old := filepath.Join(incoming, strings.Repeat("a", 26))
	young := filepath.Join(incoming, strings.Repeat("b", 26)) // of a server that still runs
	foreign := filepath.Join(incoming, "README")
	for _, path := range []string{old, young, foreign} {
		require.NoError(t, os.WriteFile(path, []byte("half a fi"), 0o600))
	}
	age(t, old, 61*time.Minute)
	age(t, young, 59*time.Minute)
	age(t, foreign, 1000*time.Hour)
	open(t, diskstore.Options{Dir: dir})
	require.Equal(t, []string{foreign, young}, stored(t, dir))
}

func TestSweepRemovesOldOrphansOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	put := func(old time.Duration) string {
		blob, err := s.Put(t.Context(), strings.NewReader("hello"))
		require.NoError(t, err)
		age(t, filepath.Join(dir, blob.Key[:2], blob.Key), old)
		return blob.Key
	}
	known, orphan, young := put(2*time.Hour), put(2*time.Hour), put(time.Minute)
	misplaced := strings.Repeat("2", 26)
	if known[:2] == "22" {
		misplaced = strings.Repeat("3", 26)
	}
	foreign := []string{filepath.Join(dir, "notes"), filepath.Join(dir, known[:2], "notes"),
		filepath.Join(dir, known[:2], misplaced)}
	for _, path := range foreign {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		age(t, path, 1000*time.Hour)
	}
	partial := filepath.Join(dir, "incoming", strings.Repeat("c", 26))
	require.NoError(t, os.WriteFile(partial, nil, 0o600))
	age(t, partial, 2*time.Hour)

	var asked []string
	require.NoError(t, s.Sweep(t.Context(), func(key string) bool {
		asked = append(asked, key)
		return key == known
	}))
	require.ElementsMatch(t, []string{known, orphan}, asked)
	left := []string{filepath.Join(dir, known[:2], known), filepath.Join(dir, young[:2], young)}
	require.ElementsMatch(t, append(left, foreign...), stored(t, dir))
}

func TestSweepEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	blob, err := s.Put(t.Context(), strings.NewReader("hello"))
	require.NoError(t, err)
	age(t, filepath.Join(dir, blob.Key[:2], blob.Key), 2*time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Sweep(ctx, func(string) bool { return false }), context.Canceled)
	require.Len(t, stored(t, dir), 1)
}
