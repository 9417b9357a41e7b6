// Package browser drives headless Chromium over its DevTools protocol, for tests: it
// opens pages, runs code in them, and tells what they logged and what was blocked.
// Every wait ends with an event, and fails the test only after a generous time.
package browser

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	patience = 60 * time.Second // with a browser that is busy
	tick     = 50 * time.Millisecond
)

// Browser is a Chromium of its own, with an empty profile.
type Browser struct {
	conn *conn
}

// Trust makes the browser take a certificate with this key for any host.
func Trust(cert *x509.Certificate) (flag string) {
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(key[:])
}

// Start runs a browser until the test ends. It skips the test without Chromium, but
// not where SLUICE_TEST_CLIENTS says that it has to be there.
func Start(t testing.TB, flags ...string) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("SLUICE_TEST_CLIENTS") == "1" {
			require.NoError(t, err, "SLUICE_TEST_CLIENTS is 1")
		}
		t.Skip("there is no chromium on the PATH")
	}
	dir := profile(t)
	// A pipe needs no port, and the browser ends when it is closed.
	commands, toBrowser := pipe(t)
	fromBrowser, answers := pipe(t)
	var said bytes.Buffer
	// The context of the test is done before its cleanups, which end the browser.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, append([]string{
		"--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--log-level=3", "--user-data-dir=" + dir,
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.ExtraFiles = []*os.File{commands, answers} // 3 and 4, where it looks for them
	require.NoError(t, cmd.Start())
	// Its own copies are enough, and only so an end of the browser is seen.
	commands.Close()
	answers.Close()
	b := &Browser{conn: newConn(toBrowser)}
	go b.conn.read(fromBrowser)
	t.Cleanup(func() {
		err := end(cmd, toBrowser)
		fromBrowser.Close()
		if t.Failed() {
			t.Logf("the browser ended with %v and said:\n%s", err, &said)
		}
	})
	b.call(t, "", "Browser.getVersion", nil, nil)
	return b
}

// end lets the browser go, and makes it if it does not.
func end(cmd *exec.Cmd, toBrowser *os.File) error {
	toBrowser.Close()
	stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer stuck.Stop()
	cmd.WaitDelay = patience // for children that hold its output
	return cmd.Wait()
}

// profile is a folder that children of the browser may still be writing to when it
// is gone.
func profile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, patience, tick)
	})
	return filepath.Join(dir, "profile")
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// call sends a command, and decodes its result if that is not nil.
func (b *Browser) call(t testing.TB, session, method string, params, result any) {
	t.Helper()
	raw, err := b.conn.call(session, method, params)
	require.NoError(t, err, method)
	if result != nil {
		require.NoError(t, json.Unmarshal(raw, result), method)
	}
}

// Open opens an empty page that shares neither cookies nor cache with others, and
// closes it when the test ends.
func (b *Browser) Open(t testing.TB) *Page {
	t.Helper()
	var context struct{ BrowserContextID string }
	b.call(t, "", "Target.createBrowserContext", nil, &context)
	var target struct{ TargetID string }
	b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID}, &target)
	var attached struct{ SessionID string }
	b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &Page{browser: b, t: t, session: attached.SessionID, target: target.TargetID, context: context.BrowserContextID}
	for _, domain := range []string{"Page", "Runtime", "Log", "Audits"} {
		p.call(domain+".enable", nil, nil)
	}
	p.call("Page.setLifecycleEventsEnabled", map[string]any{"enabled": true}, nil)
	t.Cleanup(p.Close)
	return p
}
