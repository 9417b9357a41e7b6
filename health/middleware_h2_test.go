package health_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/sluice-go/sluice/health"
)

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}

// onH2 serves HTTP/2, with TLS or without, and returns a way to connect.
func onH2(t *testing.T, s *service, secure bool) {
	srv := httptest.NewUnstartedServer(s.root)
	srv.Config.ErrorLog = s.srv.ErrorLog
	var clients *tls.Config
	if secure {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		clients = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		clients.NextProtos, clients.ServerName = []string{"h2"}, "example.com"
	} else {
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.srv, s.addr = srv.Config, srv.Listener.Addr().String()
	s.dial = func() (net.Conn, error) {
		if secure {
			return tls.Dial("tcp", s.addr, clients)
		}
		return net.Dial("tcp", s.addr)
	}
}

// client is a real HTTP/2 client that counts its connections.
func h2Client(t *testing.T, s *service, dials *atomic.Int64) *http.Client {
	//lint:ignore SA1019 the one client whose connections can be given to it
	tr := &http2.Transport{AllowHTTP: true, DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) { //nolint:staticcheck // see above
		dials.Add(1)
		return s.dial()
	}}
	t.Cleanup(func() { (&http.Client{Transport: tr}).CloseIdleConnections() })
	return &http.Client{Transport: tr}
}

// Trap 36: net/http makes a GOAWAY of the field (RFC 9113 §6.8). Streams that
// run are finished, new ones begin on another connection.
func TestOnHTTP2ADrainSendsGOAWAYAndNoField(t *testing.T) {
	for name, secure := range map[string]bool{"TLS": true, "h2c": false} {
		t.Run(name, func(t *testing.T) {
			pieces := make(chan string)
			s := newService(t, forDrain(health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour}), func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/stream" {
					_, _ = io.WriteString(w, r.Proto)
					return
				}
				for piece := range pieces {
					_, _ = io.WriteString(w, piece)
					_ = http.NewResponseController(w).Flush()
				}
			})
			onH2(t, s, secure)
			var dials atomic.Int64
			c := h2Client(t, s, &dials)
			get := func(path string) (*http.Response, string) {
				res, err := c.Get("https://example.com" + path)
				require.NoError(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NotContains(t, res.Header, "Connection")
				return res, string(body)
			}
			for range 3 {
				_, body := get("/")
				require.Equal(t, "HTTP/2.0", body)
			}
			streaming := make(chan string, 1)
			go func() {
				_, body := get("/stream")
				streaming <- body
			}()
			pieces <- "before "
			require.EqualValues(t, 1, dials.Load())

			ctx, cancel := contextOf(t)
			done := s.drain(t, ctx)
			get("/")                            // on the old connection, which goes with it
			require.Eventually(t, func() bool { // the GOAWAY may come behind the answer
				get("/")
				return dials.Load() > 1
			}, eventually, tick)
			pieces <- "and after"
			close(pieces)
			require.Equal(t, "before and after", <-streaming)
			res, _ := get("/health/readiness")
			require.Equal(t, 503, res.StatusCode)
			require.Greater(t, dials.Load(), int64(1))
			cancel()
			require.NoError(t, result(t, done))
		})
	}
}

// The frames themselves: the answer, and a GOAWAY without an error.
func TestTheGOAWAYSaysThatNothingIsWrong(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"200": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
		"204": status(204), "304": status(304), "429": status(429), "500": recovering(func(http.ResponseWriter, *http.Request) { panic("boom") }), "nothing": noHandler,
		"hijacks in vain": func(w http.ResponseWriter, _ *http.Request) {
			_, _, err := http.NewResponseController(w).Hijack()
			require.ErrorIs(t, err, http.ErrNotSupported)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, forDrain(health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour}), h)
			onH2(t, s, false)
			ctx, cancel := contextOf(t)
			done := s.drain(t, ctx)
			p := s.connect(t)
			_, err := io.WriteString(p, http2.ClientPreface)
			require.NoError(t, err)
			f := http2.NewFramer(p, p)
			require.NoError(t, f.WriteSettings())
			// :method GET, :scheme http, :path /, :authority x (RFC 7541 §6).
			require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("\x82\x86\x84\x41\x01x"), EndStream: true, EndHeaders: true}))
			answered, ended := false, false
			for !answered || !ended {
				frame, err := f.ReadFrame()
				require.NoError(t, err)
				switch frame := frame.(type) {
				case *http2.HeadersFrame:
					answered = true
					require.NotContains(t, strings.ToLower(string(frame.HeaderBlockFragment())), "connection")
				case *http2.GoAwayFrame:
					require.Equal(t, http2.ErrCodeNo, frame.ErrCode)
					ended = true
				case *http2.SettingsFrame:
					if !frame.IsAck() {
						require.NoError(t, f.WriteSettingsAck())
					}
				}
			}
			cancel()
			require.NoError(t, result(t, done))
		})
	}
}

// A request that runs when the servers are shut down is finished on HTTP/2, too.
func TestARunningStreamIsFinishedByShutdown(t *testing.T) {
	for name, secure := range map[string]bool{"TLS": true, "h2c": false} {
		t.Run(name, func(t *testing.T) {
			arrived, answer := make(chan struct{}), make(chan struct{})
			s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, _ *http.Request) {
				close(arrived)
				<-answer
				_, _ = io.WriteString(w, "whole")
			})
			onH2(t, s, secure)
			var dials atomic.Int64
			c := h2Client(t, s, &dials)
			got := make(chan string, 1)
			go func() {
				res, err := c.Get("https://example.com/")
				if err != nil {
					got <- err.Error()
					return
				}
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				got <- string(body)
			}()
			<-arrived
			done := s.begin(t.Context(), s.srv)
			s.awaitGone(t)
			close(answer)
			require.Equal(t, "whole", <-got)
			require.NoError(t, result(t, done))
		})
	}
}
