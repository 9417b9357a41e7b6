package health_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// haproxy is a running HAProxy.
type haproxy struct{ socket string }

// requireHAProxy skips without the program, but not where it has to be.
func requireHAProxy(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("SLUICE_TEST_HAPROXY") == "1" {
			require.NoError(t, err, "SLUICE_TEST_HAPROXY is 1")
		}
		t.Skip("there is no haproxy on the PATH")
	}
	return path
}

// startHAProxy runs it with a configuration until the test ends.
func startHAProxy(t *testing.T, config string) *haproxy {
	t.Helper()
	program := requireHAProxy(t)
	dir, err := os.MkdirTemp("", "haproxy") // short: the path of a socket has about 100 bytes
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	p := &haproxy{filepath.Join(dir, "stats")}
	file := filepath.Join(dir, "haproxy.cfg")
	global := fmt.Sprintf("global\n\tstats socket %s mode 600 level admin\n", p.socket)
	require.NoError(t, os.WriteFile(file, []byte(global+config), 0o600))

	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "-db", "-f", file) // killed when the test ends
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // by a signal
	}()
	t.Cleanup(func() {
		<-exited
		if t.Failed() {
			t.Logf("HAProxy said:\n%s", said.String())
		}
	})
	require.Eventually(t, func() bool {
		_, err := p.ask("show info")
		return err == nil
	}, eventually, tick, "HAProxy does not start; run it by hand with the configuration\n%s", config)
	return p
}

func (p *haproxy) ask(command string) (string, error) {
	conn, err := net.Dial("unix", p.socket)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

// server is a server as HAProxy sees it: a row of "show stat" by the names of
// its columns.
type server map[string]string

// servers has them by the names of backend and server, with a slash in between.
func (p *haproxy) servers(t *testing.T) map[string]server {
	t.Helper()
	answer, err := p.ask("show stat")
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(answer, "# "))).ReadAll()
	require.NoError(t, err)
	all := map[string]server{}
	for _, row := range rows[1:] {
		s := server{}
		for i, column := range rows[0] {
			s[column] = row[i]
		}
		if s["svname"] != "BACKEND" && s["svname"] != "FRONTEND" {
			all[s["pxname"]+"/"+s["svname"]] = s
		}
	}
	return all
}

// checked reports whether a health check has come to an end, and no other is
// under way. Before the first one HAProxy takes a server for one that is up.
func (s server) checked() bool {
	status := s["check_status"]
	return status != "" && status != "UNK" && status != "INI" && !strings.HasPrefix(status, "* ")
}
