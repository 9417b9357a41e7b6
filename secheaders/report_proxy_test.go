package secheaders_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	. "github.com/sluice-go/sluice/secheaders"
)

const (
	proxyAddr    = "192.0.2.1:1"
	strangerAddr = "203.0.113.1:1"
)

func proxyNet() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }

// A trusted proxy speaks for all visitors: what one of them does must not lock out
// the others. Where a layer outside tells the client, that counts.
func TestVisitorsBehindATrustedProxyAreNoSingleClient(t *testing.T) {
	for _, tt := range []struct {
		name, peer, client string
		kept               int
	}{
		{"a trusted proxy", proxyAddr, "", 300},
		{"a trusted proxy, by IPv4 in IPv6", "[::ffff:192.0.2.1]:1", "", 300},
		{"a client that is known", proxyAddr, "198.51.100.1", 100},
		{"a peer that is no proxy", strangerAddr, "", 100},
		{"an address that is no peer's", "192.0.2.1", "", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInboxBehind(t, proxyNet(), ReportOptions{Window: -1})
				for range 3 {
					r := reportOf(reportsJSON, batchOf(100))
					r.RemoteAddr = tt.peer
					e := reqinfo.Enter(httptest.NewRecorder(), r)
					if tt.client != "" {
						e.Info.SetClientIP(netip.MustParseAddr(tt.client))
					}
					e.Next(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { in.send(t, r) }))
					e.Leave()
				}
				violations, _ := in.got()
				require.Len(t, violations, tt.kept)
			})
		})
	}
}

// What is left for those behind a proxy are the limits for all.
func TestTheTotalRateCountsBehindATrustedProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInboxBehind(t, proxyNet(), ReportOptions{Window: -1})
		send := func() {
			for range 6 {
				r := reportOf(reportsJSON, batchOf(100))
				r.RemoteAddr = proxyAddr
				in.send(t, r)
			}
		}
		send()
		violations, _ := in.got()
		require.Len(t, violations, 400)
		time.Sleep(500 * time.Millisecond)
		send()
		violations, _ = in.got()
		require.Len(t, violations, 450)
	})
}

func TestAllPlacesAreThereForATrustedProxy(t *testing.T) {
	for peer, dropped := range map[string]int{proxyAddr: 1, strangerAddr: 7} {
		synctest.Test(t, func(t *testing.T) {
			in := newInboxBehind(t, proxyNet(), ReportOptions{Rate: -1, ClientRate: -1, MaxBusy: 8})
			var answered atomic.Int32
			dial, stop := onPipes(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.RemoteAddr = peer
				in.ServeHTTP(w, r)
				answered.Add(1)
			})})
			defer stop()
			stalled := stall(dial, 9, 10)
			_, drops := in.got()
			require.Equal(t, map[string]int{DropBusy: dropped}, drops, peer)
			for _, c := range stalled {
				c.Close()
			}
			synctest.Wait()
			require.EqualValues(t, 9, answered.Load())
			in.send(t, reportOf(cspReport, legacyReport("/", 1))) // the places are free again
			violations, _ := in.got()
			require.Len(t, violations, 1)
		})
	}
}

// Options are the caller's: what he does with them later changes nothing, also where
// the handler is asked for later.
func TestProxiesOfReportsAreCopied(t *testing.T) {
	proxies := proxyNet()
	sec := mustNew(t, Options{TrustedProxies: proxies, Logger: discardLogger(), Reports: ReportOptions{
		ClientRate: 1, OnDrop: func(reason string, _ int) { t.Error(reason) }}})
	proxies[0] = netip.MustParsePrefix("10.0.0.0/8")
	h := sec.ReportHandler()
	for range 2 {
		r := reportOf(reportsJSON, batchOf(100))
		r.RemoteAddr = proxyAddr
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
