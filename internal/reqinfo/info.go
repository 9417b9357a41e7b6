package reqinfo

import (
	"context"
	"mime/multipart"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// Info is the carrier of one request. It is the context of that request, so
// that finding it costs one type assertion; one that [Space.Watch] made becomes
// that only when a layer further in asks for it.
type Info struct {
	rec   *respw.Recorder
	space respw.Space   // for rec, where the outermost layer creates it
	seen  *http.Request // as it arrived at the outermost layer

	name  atomic.Pointer[string] // by SetRoute
	inner *inner                 // nil while there is no copy of the request
}

// inner is what a carrier needs once it is a context.
type inner struct {
	ctx   context.Context // of the request that arrived
	req   http.Request    // the one copy; its context is the Info
	hooks respw.Hooks

	queries   atomic.Int64
	queryTime atomic.Int64
	later     atomic.Pointer[Info] // of a further attempt to serve the request

	mu        sync.Mutex // guards the rest
	facts     facts
	copies    []*http.Request // that layers are visiting, the innermost last
	trail     trail           // from the copies that layers have left
	form      *multipart.Form // of any copy
	left      bool            // the layer that made the copy is done
	outer     *http.Request   // that it copied, and the pattern that it gave it
	given     string
	nonceRead bool
}

// facts is what layers tell each other: a handler behind [http.TimeoutHandler]
// may still write while outer layers read.
type facts struct {
	clientIP netip.Addr
	nonce    string
	cache    string
	limit    Limit
	trace    Trace
}

// Limit is what the rate limiter decided.
type Limit struct {
	Policy  string
	Refused bool
}

// Trace is the trace a request belongs to; the ids are lower-case hex (W3C
// Trace Context).
type Trace struct {
	TraceID, SpanID string
	Sampled         bool
}

type infoKey struct{}

// Value makes the carrier findable below contexts that derive from it.
func (i *Info) Value(key any) any {
	if key == (infoKey{}) {
		return i
	}
	return i.inner.ctx.Value(key)
}

// Deadline, Done and Err are those of the request that arrived.
func (i *Info) Deadline() (time.Time, bool) { return i.inner.ctx.Deadline() }
func (i *Info) Done() <-chan struct{}       { return i.inner.ctx.Done() }
func (i *Info) Err() error                  { return i.inner.ctx.Err() }

// From returns the carrier of ctx, or nil. All methods accept nil: what is set
// on it is lost, what is read is zero. So do facts other than the route on a
// carrier that is no context yet, as nobody who knows any has seen it.
func From(ctx context.Context) *Info {
	if ctx == nil {
		return nil
	}
	if i, ok := ctx.(*Info); ok {
		return i
	}
	i, _ := ctx.Value(infoKey{}).(*Info)
	return i
}

// Start is when the outermost layer saw the request.
func (i *Info) Start() time.Time {
	if i == nil {
		return time.Time{}
	}
	return i.rec.Start().Time()
}

// Recorder is the recorder of the outermost layer: what the client sees.
func (i *Info) Recorder() *respw.Recorder {
	if i == nil {
		return nil
	}
	return i.rec
}

// ClientIP is the address of the client, invalid until a layer that knows the
// trusted proxies set it.
func (i *Info) ClientIP() netip.Addr { return i.read().clientIP }

// SetClientIP sets the address of the client.
func (i *Info) SetClientIP(a netip.Addr) { i.write(func(f *facts) { f.clientIP = a }) }

// Route is the pattern that serves the request: the name given by SetRoute, or
// else what a ServeMux further in left on the request; empty when nothing
// matched. It is for the handler, what the handler starts, and layers whose
// Next returned: a goroutine started before the mux matched must not ask. Where
// a foreign middleware copied the request it is known when the layers inside
// that middleware are done.
func (i *Info) Route() string {
	route, _ := i.NamedRoute()
	return route
}

// NamedRoute is Route, and says whether it is the name given by SetRoute.
func (i *Info) NamedRoute() (route string, named bool) {
	if i == nil {
		return "", false
	}
	if name := i.name.Load(); name != nil {
		return *name, true
	}
	if i.inner == nil {
		return patternOf(i.seen), false
	}
	return i.innerRoute((*Info).NamedRoute, i.matched)
}

// innerRoute asks the last attempt to serve the request.
func (i *Info) innerRoute(ask func(*Info) (string, bool), own func() string) (route string, named bool) {
	if later := i.inner.later.Load(); later != nil {
		route, named := ask(later)
		if !named {
			t := trail{known: true, pattern: route, path: pathOf(later.seen)}
			t.outward(i.seen)
			route = t.pattern
		}
		return route, named
	}
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	return own(), false
}

// RouteInside is NamedRoute for what runs in the goroutine of the handler, such as
// [respw.Watcher]: it sees copies of the request whose layers are not done.
func (i *Info) RouteInside() (route string, named bool) {
	if i == nil {
		return "", false
	}
	if name := i.name.Load(); name != nil {
		return *name, true
	}
	if i.inner == nil {
		return patternOf(i.seen), false
	}
	return i.innerRoute((*Info).RouteInside, i.matching)
}

// SetRoute names the route, for routers that are no ServeMux; the last name
// counts. It takes a pointer to what never changes, as that is free of charge.
func (i *Info) SetRoute(name *string) {
	if i != nil {
		i.name.Store(name)
	}
}

// Cache is what the response cache did, as an RFC 9211 member ("hit",
// "fwd=miss"); empty without a cache.
func (i *Info) Cache() string { return i.read().cache }

// SetCache sets what the response cache did.
func (i *Info) SetCache(result string) { i.write(func(f *facts) { f.cache = result }) }

// Limit is what the innermost rate limiter decided.
func (i *Info) Limit() Limit { return i.read().limit }

// SetLimit sets what a rate limiter decided.
func (i *Info) SetLimit(l Limit) { i.write(func(f *facts) { f.limit = l }) }

// Trace is the trace the request belongs to; zero without tracing.
func (i *Info) Trace() Trace { return i.read().trace }

// SetTrace sets the trace the request belongs to.
func (i *Info) SetTrace(t Trace) { i.write(func(f *facts) { f.trace = t }) }

// UseNonce returns the nonce of the response for use in its body, generating it
// at the first call. From then on NonceRead holds and no shared cache may store
// the response. generate must not ask the carrier anything. Without a carrier
// there is no header to promise the nonce in, and so no nonce.
func (i *Info) UseNonce(generate func() string) string { return i.nonce(generate, true) }

// CommitNonce returns the nonce for the header. It does not count as read: a
// policy whose nonce no body carries harms nobody when it is stored.
func (i *Info) CommitNonce(generate func() string) string { return i.nonce(generate, false) }

func (i *Info) nonce(generate func() string, read bool) string {
	if i == nil || i.inner == nil {
		return ""
	}
	in := i.inner
	in.mu.Lock()
	defer in.mu.Unlock()
	in.nonceRead = in.nonceRead || read
	if in.facts.nonce == "" {
		in.facts.nonce = generate()
	}
	return in.facts.nonce
}

// NonceRead reports whether the body may carry the nonce.
func (i *Info) NonceRead() bool {
	if i == nil || i.inner == nil {
		return false
	}
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	return i.inner.nonceRead
}

// AddQuery counts a database query and its duration.
func (i *Info) AddQuery(d time.Duration) {
	if i == nil || i.inner == nil {
		return
	}
	i.inner.queries.Add(1)
	i.inner.queryTime.Add(int64(d))
}

// Queries returns the number of database queries so far and their total time.
func (i *Info) Queries() (n int64, total time.Duration) {
	if i == nil || i.inner == nil {
		return 0, 0
	}
	return i.inner.queries.Load(), time.Duration(i.inner.queryTime.Load())
}

func (i *Info) read() facts {
	if i == nil || i.inner == nil {
		return facts{}
	}
	if later := i.inner.later.Load(); later != nil {
		return later.read()
	}
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	return i.inner.facts
}

func (i *Info) write(set func(*facts)) {
	if i == nil || i.inner == nil {
		return
	}
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	set(&i.inner.facts)
}
