package compress_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	eventually = 30 * time.Second // for what ends as soon as it is there
	tick       = 50 * time.Millisecond
)

// requireProgram skips without a program, but not where it has to be.
func requireProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SLUICE_TEST_CLIENTS") == "1" {
			require.NoError(t, err, "SLUICE_TEST_CLIENTS is 1")
		}
		t.Skipf("there is no %s on the PATH", name)
	}
	return path
}

// run lets a program come to its end and returns what it wrote.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, requireProgram(t, name), args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	require.NoError(t, cmd.Run(), "%s %q said:\n%s", name, args, &said)
	return out.Bytes()
}

// start runs a program until the test ends, and shows what it said if that failed.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), requireProgram(t, name), args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { // the context of the test is done by now
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("%s ended with %v and said:\n%s", name, err, &said)
		}
	})
}

// tempDir is a folder in which a program, too, may still be writing when its
// process is gone, as its children are not. Its path is short, for sockets.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, eventually, tick)
	})
	return dir
}

// browse opens a page in a Chromium of its own. The page tells by POST /report how
// it went.
func browse(t *testing.T, url string) {
	t.Helper()
	start(t, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--log-level=3",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--ignore-certificate-errors", "--user-data-dir="+filepath.Join(tempDir(t), "profile"), url)
}

// receive waits for a value.
func receive[T any](t *testing.T, from <-chan T, of string) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(eventually):
		require.NoError(t, errors.New("nothing came"), of)
	}
	return v
}
