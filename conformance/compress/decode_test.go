package compress_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// decoder returns what reads a body in its coding, without waiting for more of it
// than it needs.
func decoder(coding string, body io.Reader) (io.Reader, error) {
	switch coding {
	case "":
		return body, nil
	case "gzip":
		return gzip.NewReader(body)
	case "br":
		return brotli.NewReader(body), nil
	case "zstd":
		return zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	default:
		return nil, fmt.Errorf("there is no coding %q", coding)
	}
}

// newClient returns one that sees bodies as they were sent. socket, if not empty, is
// where it connects to whatever the URL says.
func newClient(t *testing.T, socket string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		DisableCompression: true,
		ForceAttemptHTTP2:  true,
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
	}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is a response and its body.
type answer struct {
	*http.Response
	encoded, body []byte
}

// get sends a request with fields, which are names and values by turns.
func get(t *testing.T, client *http.Client, url string, fields ...string) answer {
	t.Helper()
	resp, err := try(t.Context(), client, url, fields...)
	require.NoError(t, err)
	return resp
}

func try(ctx context.Context, client *http.Client, url string, fields ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{Response: resp}
	kept := &keeper{r: resp.Body}
	if resp.StatusCode != http.StatusNotModified {
		var d io.Reader
		if d, err = decoder(resp.Header.Get("Content-Encoding"), kept); err == nil {
			a.body, err = io.ReadAll(d)
		}
	}
	a.encoded = kept.read
	return a, err
}

// keeper keeps what was read of r.
type keeper struct {
	r    io.Reader
	read []byte
}

func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	k.read = append(k.read, p[:n]...)
	return n, err
}
