package secheaders_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// A body that nobody reads and that never comes holds up neither the answer nor, for
// long, the connection.
func TestABodyThatNobodyReadsIsNotWaitedFor(t *testing.T) {
	for method, status := range map[string]int{"GET": 405, "OPTIONS": 204, "PUT": 405} {
		for _, framing := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
			t.Run(method+" "+framing, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					in := newInbox(t, ReportOptions{})
					dial, stop := onPipes(&http.Server{Handler: in})
					defer stop()
					conn := dial()
					defer conn.Close()
					start := time.Now()
					require.NoError(t, conn.SetReadDeadline(start.Add(time.Minute)))
					_, err := fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", method, framing)
					require.NoError(t, err)
					br := bufio.NewReader(conn)
					res, err := http.ReadResponse(br, nil)
					require.NoError(t, err)
					require.Equal(t, status, res.StatusCode)
					require.True(t, res.Close)
					_, err = io.Copy(io.Discard, res.Body)
					require.NoError(t, err)
					require.Zero(t, time.Since(start))
					_, err = br.ReadByte()
					require.ErrorIs(t, err, io.EOF)
					require.LessOrEqual(t, time.Since(start), 6*time.Second)
				})
			})
		}
	}
}

// Preflights have no body: their connection is the one that the report comes on.
func TestAPreflightKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{})
		gone := 0
		dial, stop := onPipes(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in.ServeHTTP(w, r)
			time.Sleep(20 * time.Second) // no deadline of a body ends it
			if r.Context().Err() != nil {
				gone++
			}
		})})
		defer stop()
		conn := dial()
		defer conn.Close()
		br := bufio.NewReader(conn)
		for range 2 {
			_, err := io.WriteString(conn, "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			res, err := http.ReadResponse(br, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, res.StatusCode)
			require.False(t, res.Close)
			time.Sleep(30 * time.Second)
		}
		require.Zero(t, gone)
	})
}
