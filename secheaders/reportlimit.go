package secheaders

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// reportClients is how many buckets clients share. It is fixed, so that clients
// with many addresses need no memory; two that share one share its rate, and the
// seed keeps them from choosing whose.
const reportClients = 4096

// reportLimiter decides what is read: by places, and by records in a second.
type reportLimiter struct {
	start   time.Time
	seed    maphash.Seed
	proxies trustedProxies
	all     recordRate
	client  recordRate
	maxBusy int // in all
	maxMine int // of one client

	mu      sync.Mutex // guards the rest
	total   bucket
	buckets [reportClients]bucket
}

// bucket is one of tokens, as the time at which it would be full again, and the
// places that are taken.
type bucket struct {
	full time.Duration
	busy int
}

// recordRate is a rate of records, and the time that a whole burst is worth. The
// zero value is no limit.
type recordRate struct{ each, burst time.Duration }

// Bursts at least. That of one client leaves most of what there is for all.
const (
	clientBurst = maxBatch
	totalBurst  = 4 * maxBatch
)

func newRecordRate(perSecond, burst int) recordRate {
	if perSecond < 0 {
		return recordRate{}
	}
	each := time.Second / time.Duration(perSecond)
	return recordRate{each, each * time.Duration(max(perSecond, burst))}
}

// room is how many of n records b has tokens for.
func (r recordRate) room(b *bucket, now time.Duration, n int) int {
	if r.each == 0 {
		return n
	}
	return min(n, int((now+r.burst-max(b.full, now))/r.each))
}

func (r recordRate) charge(b *bucket, now time.Duration, n int) {
	b.full = max(b.full, now) + r.each*time.Duration(n)
}

func newReportLimiter(o *ReportOptions, proxies trustedProxies) *reportLimiter {
	return &reportLimiter{
		start:   time.Now(),
		seed:    maphash.MakeSeed(),
		proxies: proxies,
		all:     newRecordRate(o.Rate, totalBurst),
		client:  newRecordRate(o.ClientRate, clientBurst),
		maxBusy: o.MaxBusy,
		maxMine: max(1, o.MaxBusy/4), // one client must not lock out the others by being slow
	}
}

// bucketOf is the bucket of who sent the request: its address, or its /64 (what one
// customer has in IPv6, RFC 6177). It is nil where nothing but a trusted proxy is
// known, which speaks for everybody: those who are behind it must not lock out each
// other.
func (l *reportLimiter) bucketOf(r *http.Request) *bucket {
	a := reqinfo.From(r.Context()).ClientIP()
	if !a.IsValid() {
		if len(l.proxies) > 0 && l.proxies.havePeer(r.RemoteAddr) {
			return nil
		}
		peer, _ := netip.ParseAddrPort(r.RemoteAddr) // none on a Unix socket
		a = peer.Addr()
	}
	key := a.Unmap().As16()
	n := len(key)
	if a.Is6() && !a.Is4In6() {
		n = 8
	}
	return &l.buckets[maphash.Bytes(l.seed, key[:n])%reportClients]
}

// enter takes a place and charges one record: a request costs no less. Who got in
// must leave.
func (l *reportLimiter) enter(b *bucket) dropReason {
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.total.busy >= l.maxBusy || b != nil && b.busy >= l.maxMine:
		return dropBusy
	case l.take(b, now, 1) == 0:
		return dropRate
	}
	l.total.busy++
	if b != nil {
		b.busy++
	}
	return kept
}

func (l *reportLimiter) leave(b *bucket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.busy--
	if b != nil {
		b.busy--
	}
}

// more charges further records, and returns how many of n there are tokens for.
func (l *reportLimiter) more(b *bucket, n int) int {
	if n <= 0 {
		return 0
	}
	now := time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(b, now, n)
}

// take needs both buckets, and charges neither for what the other refuses.
func (l *reportLimiter) take(b *bucket, now time.Duration, n int) int {
	n = l.all.room(&l.total, now, n)
	if b != nil {
		n = l.client.room(b, now, n)
		l.client.charge(b, now, n)
	}
	l.all.charge(&l.total, now, n)
	return n
}
