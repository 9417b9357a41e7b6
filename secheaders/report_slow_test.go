package secheaders_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

// pipes is a listener whose connections are pipes, so that their time is virtual.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// onPipes serves h within a bubble. stop waits for the server's end.
func onPipes(srv *http.Server) (dial func() net.Conn, stop func()) {
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(p)
	}()
	return func() net.Conn {
			client, server := net.Pipe()
			p.conns <- server
			return client
		}, func() {
			_ = srv.Close()
			<-served
		}
}

// "Slow senders: a read deadline"; a server that is stricter stays so.
func TestABodyHasFiveSecondsToArrive(t *testing.T) {
	for _, tt := range []struct{ server, want time.Duration }{{0, 5 * time.Second}, {2 * time.Second, 2 * time.Second}, {time.Minute, 5 * time.Second}} {
		t.Run(fmt.Sprint(tt.server), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInbox(t, ReportOptions{})
				dial, stop := onPipes(&http.Server{Handler: in, ReadTimeout: tt.server})
				defer stop()
				conn := dial()
				defer conn.Close()
				start := time.Now()
				go func() {
					_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/csp-report\r\nContent-Length: 100\r\n\r\n")
					for range 30 { // a byte in a second does not help
						_, _ = io.WriteString(conn, "{")
						time.Sleep(time.Second)
					}
				}()
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusNoContent, res.StatusCode)
				require.True(t, res.Close)
				require.Equal(t, tt.want, time.Since(start))
				_, drops := in.got()
				require.Equal(t, map[string]int{DropBroken: 1}, drops)
				conn.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}

// The deadline is for the body: it must not end the connection while hooks run, nor
// before the next report.
func TestTheDeadlineEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := 0
		in := newInbox(t, ReportOptions{})
		slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in.ServeHTTP(w, r)
			time.Sleep(20 * time.Second) // a slow hook
			if r.Context().Err() != nil {
				gone++
			}
		})
		dial, stop := onPipes(&http.Server{Handler: slow})
		defer stop()
		conn := dial()
		defer conn.Close()
		br := bufio.NewReader(conn)
		for i := range 2 {
			body := legacyReport("/", i)
			_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/csp-report\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			require.NoError(t, err)
			res, err := http.ReadResponse(br, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, res.StatusCode)
			require.False(t, res.Close)
			time.Sleep(30 * time.Second)
		}
		violations, drops := in.got()
		require.Len(t, violations, 2)
		require.Empty(t, drops)
		require.Zero(t, gone)
	})
}

// stall begins n long batches and does not end them. It returns when the server has
// what was sent.
func stall(dial func() net.Conn, n, sent int) (conns []net.Conn) {
	text := []byte("[" + strings.Repeat(" ", sent)) // one for all
	for range n {
		conn := dial()
		conns = append(conns, conn)
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/reports+json\r\nContent-Length: 200000\r\n\r\n")
			_, _ = conn.Write(text)
		}()
	}
	synctest.Wait()
	return conns
}

// Stalled senders take the memory for long batches, and not the places of short
// reports; one client alone takes a quarter of the places.
func TestStalledSendersDoNotLockOutOthers(t *testing.T) {
	postOn := func(t *testing.T, conn net.Conn, body string) {
		go func() {
			_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/reports+json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, res.StatusCode)
	}
	// Each connection is another client, as behind a trusted proxy.
	serve := func(t *testing.T, o ReportOptions, clients int) (in *inbox, dial func() net.Conn, stop func()) {
		in = newInbox(t, o)
		var mu sync.Mutex
		n := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			n++
			r.RemoteAddr = fmt.Sprintf("10.0.0.%d:1", n%clients)
			mu.Unlock()
			in.ServeHTTP(w, r)
		})
		dial, stop = onPipes(&http.Server{Handler: h})
		return in, dial, stop
	}
	t.Run("all memory for long batches is taken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in, dial, stop := serve(t, ReportOptions{Rate: -1, ClientRate: -1}, 250)
			defer stop()
			stalled := stall(dial, 40, 150_000)
			_, drops := in.got()
			require.Equal(t, 40-(4<<20)/(256<<10+1), drops[DropBusy], "with 15 the 4 MiB are full")
			conn := dial()
			defer conn.Close()
			postOn(t, conn, batchOf(14))
			synctest.Wait()
			violations, _ := in.got()
			require.Len(t, violations, 14)
			for _, c := range stalled {
				c.Close()
			}
			synctest.Wait()
			stalled = stall(dial, 15, 150_000)
			_, after := in.got()
			require.Equal(t, drops[DropBusy], after[DropBusy], "all of it is free again")
			for _, c := range stalled {
				c.Close()
			}
		})
	})
	t.Run("one client has all the places that it may have", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in, dial, stop := serve(t, ReportOptions{Rate: -1, ClientRate: -1, MaxBusy: 8}, 1)
			defer stop()
			stalled := stall(dial, 5, 10)
			_, drops := in.got()
			require.Equal(t, map[string]int{DropBusy: 3}, drops)
			for _, c := range stalled {
				c.Close()
			}
			synctest.Wait()
			_, drops = in.got()
			require.Equal(t, map[string]int{DropBroken: 2, DropBusy: 3}, drops)
		})
	})
}

// heapNow is what is in use, without what pools keep.
func heapNow() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Issue 7: "10 MB/s of hostile input leaves memory flat". There are 100 MB of it here,
// as fast as they go, from 32 connections, with all limits of rates off.
func TestMemoryStaysFlatUnderHostileInput(t *testing.T) {
	const clients, rounds = 32, 16
	nasty := []string{
		"[" + strings.Repeat("{},", 85_000) + "{}]",
		"[" + strings.Repeat("[", 200_000),
		`[{"type":"` + strings.Repeat(`\u0000`, 40_000) + `"}]`,
		`{"csp-report":{"effective-directive":"img-src","blocked-uri":"https://` + strings.Repeat("\xff", 15_000) + `"}}`,
		"[" + strings.Repeat(`{"type":"csp-violation","body":{"effectiveDirective":"img-src","sample":"`+strings.Repeat("\xff", 2000)+`"}},`, 100) + "{}]",
		batchOf(1500)[:250_000],
		`{"x":"` + strings.Repeat("x", 230_000),
	}
	h := mustNew(t, Options{Logger: discardLogger(), Reports: ReportOptions{Rate: -1, ClientRate: -1}}).ReportHandler()
	srv := testutil.Start(t, h)
	flood := func(rounds int) (total int) {
		var all sync.WaitGroup
		for c := range clients {
			for r := range rounds {
				total += len(nasty[(c+r)%len(nasty)])
			}
			all.Go(func() {
				for r := range rounds {
					res, err := srv.Client().Post(srv.URL, reportsJSON, strings.NewReader(nasty[(c+r)%len(nasty)]))
					if err == nil { // a connection may be closed while the client still writes
						res.Body.Close()
					}
				}
			})
		}
		all.Wait()
		srv.Client().CloseIdleConnections()
		return total
	}
	flood(1)
	before := heapNow()
	total := flood(rounds)
	grown := heapNow() - before
	t.Logf("%d MB of input, %d KiB more of heap", total>>20, grown>>10)
	require.Greater(t, total, 50<<20)
	require.Less(t, grown, int64(2<<20))
	runtime.KeepAlive(h)
}

// While senders stall, they hold no more than the bound says: a first buffer for each
// place, and 4 MiB.
func TestStalledSendersHoldBoundedMemory(t *testing.T) {
	h := mustNew(t, Options{Logger: discardLogger(), Reports: ReportOptions{Rate: -1, ClientRate: -1, MaxBusy: 400}}).ReportHandler()
	synctest.Test(t, func(t *testing.T) {
		dial, stop := onPipes(&http.Server{Handler: h})
		defer stop()
		before := heapNow()
		conns := stall(dial, 100, 190_000)
		held := heapNow() - before
		t.Logf("%d KiB", held>>10)
		// net/http needs some 25 KiB for a connection.
		require.Less(t, held, int64(4<<20+100*(17+25)<<10))
		for _, c := range conns {
			c.Close()
		}
	})
}
