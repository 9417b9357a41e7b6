package dbmon

import (
	"sync"
	"sync/atomic"
	"time"
)

// Leak is rows or a transaction that nobody has asked anything of for
// [Options.LeakAfter], and that keep a connection from the pool.
type Leak struct {
	// Database is [Options.Name].
	Database string
	// Kind is "rows" or "transaction".
	Kind string
	// QueryID and Query are the fingerprint of the rows, or of the last query of
	// the transaction that is over, if there was one.
	QueryID, Query string
	// Idle is for how long the driver has heard nothing of it.
	Idle time.Duration
	// Open is for how long it has been open.
	Open time.Duration
	// CallSite is where it was opened. Rows are opened too often to note it each
	// time: then it is where the same query was made another time, and Guessed is
	// true. From the first leak of a query on it is noted each time.
	CallSite string
	Guessed  bool
}

type leakKind uint8

const (
	leakedRows leakKind = iota
	leakedTx
	leakKinds
)

func (k leakKind) String() string { return [...]string{"rows", "transaction"}[k] }

// watch says whose call-sites are noted: of the first call, of one in a
// thousand, and of all once there was a leak.
type watch struct {
	armed atomic.Bool
	site  atomic.Pointer[site] // the latest
}

const sampled = 1024

func (w *watch) wants(c *conn) bool {
	return w.site.Load() == nil || w.armed.Load() || c != nil && c.calls%sampled == 0
}

// janitor looks for what was forgotten, so that queries need not.
type janitor struct {
	m    *Monitor
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// patience is between two looks.
func patience(leakAfter time.Duration) time.Duration {
	if leakAfter < 0 {
		return retryWithin
	}
	return min(max(leakAfter/4, time.Millisecond), retryWithin)
}

func newJanitor(m *Monitor) *janitor {
	j := &janitor{m: m, stop: make(chan struct{}), done: make(chan struct{}), conns: map[*conn]struct{}{}}
	go j.run(patience(m.opts.LeakAfter))
	return j
}

func (j *janitor) run(every time.Duration) {
	defer close(j.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-j.stop:
			j.m.retries.close(j.m.now())
			return
		case <-tick.C:
			now := j.m.now()
			j.m.retries.expire(now - retryWithin)
			if j.m.opts.LeakAfter > 0 {
				j.look(now)
			}
		}
	}
}

func (j *janitor) close() {
	j.once.Do(func() { close(j.stop) })
	<-j.done
}

func (j *janitor) add(c *conn) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conns[c] = struct{}{}
}

func (j *janitor) remove(c *conn) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.conns, c)
}

// look reports what has been left alone for too long.
func (j *janitor) look(now time.Duration) {
	j.mu.Lock()
	conns := make([]*conn, 0, len(j.conns))
	for c := range j.conns {
		conns = append(conns, c)
	}
	j.mu.Unlock()
	for _, c := range conns {
		for _, f := range c.forgotten(now, j.m.opts.LeakAfter) {
			j.report(f)
		}
	}
}

// forgotten is a leak before it is put into words.
type forgotten struct {
	kind       leakKind
	query      *query
	site       *site
	open, idle time.Duration
}

// forgotten finds what is to be reported for the first time. A transaction that
// waits for its rows is no finding of its own.
func (c *conn) forgotten(now, after time.Duration) (all []forgotten) {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.more
	if r := c.open.Load(); r != nil {
		open = append([]*rows{r}, open...)
	}
	for _, r := range open {
		if idle := now - time.Duration(r.active.Load()); idle >= after && !r.reported {
			r.reported = true
			all = append(all, forgotten{leakedRows, r.query, r.site, now - r.start, idle})
		}
	}
	if t := c.tx; t != nil && len(open) == 0 && !t.reported {
		if idle := now - time.Duration(t.active.Load()); idle >= after {
			t.reported = true
			all = append(all, forgotten{leakedTx, t.last.Load(), t.site, now - t.start, idle})
		}
	}
	return all
}

func (j *janitor) report(f forgotten) {
	m := j.m
	m.totals.leaks[f.kind].Add(1)
	l := Leak{Database: m.opts.Name, Kind: f.kind.String(), Idle: f.idle, Open: f.open}
	key := gateKey{line: leakLine}
	if f.query != nil {
		key.query = f.query.ID
		l.QueryID, l.Query = f.query.id, f.query.Text
	}
	if f.kind == leakedRows {
		f.query.watch.armed.Store(true)
		if f.site == nil {
			f.site, l.Guessed = f.query.watch.site.Load(), true
		}
	}
	if f.site != nil {
		l.CallSite = f.site.String()
	}
	if untold, pass := m.gates.pass(key, m.now()); pass {
		m.logLeak(l, untold)
	}
	if m.opts.OnLeak != nil {
		m.tellLeak(l)
	}
}

func (m *Monitor) logLeak(l Leak, untold int64) {
	defer m.survive(logger)
	m.opts.Logger.Warn("dbmon: "+l.Kind+" left open", "db", l.Database, "query_id", l.QueryID, "query", l.Query,
		"idle", l.Idle, "open", l.Open, "call_site", l.CallSite, "guessed", l.Guessed, "untold", untold)
}
