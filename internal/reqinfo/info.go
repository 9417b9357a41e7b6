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

// Info is the carrier of one request. One that [Space.Watch] made is no more
// than what outer layers look at, until a layer further in asks for a context.
type Info struct {
	rec   *respw.Recorder
	space respw.Space   // for rec, where the outermost layer creates it
	seen  *http.Request // as the outermost layer got it, or hands it on

	name  atomic.Pointer[string] // by SetRoute
	inner atomic.Pointer[inner]  // nil while there is no context
}

// inner is what a carrier needs once it has a context.
type inner struct {
	hooks  respw.Hooks
	policy policyHook

	queries   atomic.Int64
	queryTime atomic.Int64
	scope     atomic.Pointer[any] // of queries

	mu        sync.Mutex // guards the rest
	facts     facts
	visits    []visit // of copies of the request, the innermost last
	room      [1]visit
	trail     trail           // from the copies that layers have left
	form      *multipart.Form // of any copy
	left      bool            // the outermost layer is done
	echoed    bool            // a layer further in has given seen the pattern
	echo      string          // that one
	unechoed  string          // in the place of this one
	nonceRead atomic.Bool
	draft     Draft // of the header with the nonce
}

// attempt is a context by which the carrier is found, so that finding it costs
// one type assertion, and the copy of the request that has this context. There
// is a second one where another handler is tried after the first.
type attempt struct {
	context.Context // of the request that is copied
	info            *Info
	req             http.Request
}

// Value makes the carrier findable below contexts that derive from this one.
func (a *attempt) Value(key any) any {
	if key == (infoKey{}) {
		return a.info
	}
	return a.Context.Value(key)
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

// From returns the carrier of ctx, or nil. All methods accept nil: what is set
// on it is lost, what is read is zero. So do facts other than the route on a
// carrier that is no context yet, as nobody who knows any has seen it.
func From(ctx context.Context) *Info {
	if ctx == nil {
		return nil
	}
	if a, ok := ctx.(*attempt); ok {
		return a.info
	}
	switch v := ctx.Value(infoKey{}).(type) {
	case *Info:
		return v
	case *scoped:
		return v.info
	default:
		return nil
	}
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
func (i *Info) NamedRoute() (route string, named bool) { return i.namedRoute(false) }

// RouteInside is NamedRoute for what runs in the goroutine of the handler, such
// as [respw.Watcher]: it sees copies of the request whose layers are not done.
func (i *Info) RouteInside() (route string, named bool) { return i.namedRoute(true) }

func (i *Info) namedRoute(inside bool) (route string, named bool) {
	if i == nil {
		return "", false
	}
	if name := i.name.Load(); name != nil {
		return *name, true
	}
	in := i.inner.Load()
	if in == nil {
		return patternOf(i.seen), false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return i.matched(in, inside), false
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

// Draft is the value of a header that was made together with a nonce, which is a part
// of it: so both are one allocation. It is good for the policy that made it.
type Draft struct {
	By   *HeaderPolicy
	Text string
}

// UseNonce returns the nonce of the response for use in its body, generating it
// at the first call. From then on NonceRead holds and no shared cache may store
// the response. generate must not ask the carrier anything. Without a carrier
// there is no header to promise the nonce in, and so no nonce.
func (i *Info) UseNonce(generate func() (nonce string, draft Draft)) string {
	in := i.context()
	if in == nil {
		return ""
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.nonceRead.Store(true)
	in.makeNonce(generate)
	return in.facts.nonce
}

// CommitNonce returns the nonce for the header, and what was made with it. It does not
// count as read: a policy whose nonce no body carries harms nobody when it is stored.
func (i *Info) CommitNonce(generate func() (nonce string, draft Draft)) (nonce string, draft Draft) {
	in := i.context()
	if in == nil {
		return "", Draft{}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.makeNonce(generate)
	return in.facts.nonce, in.draft
}

// makeNonce needs mu.
func (in *inner) makeNonce(generate func() (string, Draft)) {
	if in.facts.nonce == "" {
		in.facts.nonce, in.draft = generate()
	}
}

// NonceRead reports whether the body may carry the nonce.
func (i *Info) NonceRead() bool {
	in := i.context()
	return in != nil && in.nonceRead.Load()
}

// AddQuery counts a database query and its duration.
func (i *Info) AddQuery(d time.Duration) {
	if in := i.context(); in != nil {
		in.queries.Add(1)
		in.queryTime.Add(int64(d))
	}
}

// Queries returns the number of database queries so far and their total time.
func (i *Info) Queries() (n int64, total time.Duration) {
	in := i.context()
	if in == nil {
		return 0, 0
	}
	return in.queries.Load(), time.Duration(in.queryTime.Load())
}

// context is nil while the carrier is none.
func (i *Info) context() *inner {
	if i == nil {
		return nil
	}
	return i.inner.Load()
}

func (i *Info) read() facts {
	in := i.context()
	if in == nil {
		return facts{}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.facts
}

func (i *Info) write(set func(*facts)) {
	in := i.context()
	if in == nil {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	set(&in.facts)
}
