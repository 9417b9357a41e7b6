package reqinfo

import (
	"net/http"
	"sync/atomic"
)

// HeaderPolicy sets the security headers of a response at the last moment. There is
// one for a request: an inner layer replaces that of an outer one.
type HeaderPolicy struct {
	// Set is called as [respw.HeaderHook] is, with Data. room is for values that are
	// made for this response alone.
	Set  func(data any, i *Info, status int, h http.Header, room *[2]string)
	Data any
}

// policyHook is the header hook of a HeaderPolicy. It is part of the carrier, so
// that it is no allocation.
type policyHook struct {
	info   *Info
	policy atomic.Pointer[HeaderPolicy]
	fixed  atomic.Bool
	room   [2]string
}

// BeforeHeader sets the headers of the policy that is in force by now.
func (p *policyHook) BeforeHeader(status int, h http.Header) {
	p.fixed.Store(true)
	policy := p.policy.Load()
	policy.Set(policy.Data, p.info, status, h, &p.room)
}

// SetHeaderPolicy puts a policy in force, which must not change from here on. The first
// layer of a request that does so registers a hook.
func (e *Entry) SetHeaderPolicy(p *HeaderPolicy) {
	in := e.Info.context()
	if in == nil || in.policy.policy.Swap(p) != nil {
		return
	}
	in.policy.info = e.Info
	if e.ownsRec {
		e.Rec.FirstHook(&in.policy)
	} else {
		e.Rec.OnHeader(&in.policy)
	}
}

// ReplaceHeaderPolicy puts another policy in the place of old. It fails if old is no
// longer in force, or has set its headers.
func (i *Info) ReplaceHeaderPolicy(old, other *HeaderPolicy) bool {
	in := i.context()
	return in != nil && !in.policy.fixed.Load() && in.policy.policy.CompareAndSwap(old, other)
}

// HeaderPolicy returns the policy in force, or nil, and whether it has set its headers.
func (i *Info) HeaderPolicy() (p *HeaderPolicy, fixed bool) {
	in := i.context()
	if in == nil {
		return nil, false
	}
	return in.policy.policy.Load(), in.policy.fixed.Load()
}

// FixHeaders sets the headers at once, where a panic leaves the response to somebody
// outside who may not know of the hook.
func (i *Info) FixHeaders(h http.Header) {
	if p, _ := i.HeaderPolicy(); p != nil {
		i.inner.Load().policy.BeforeHeader(Abandoned, h)
	}
}

// Abandoned stands for the status of a response that a panic left open.
const Abandoned = 0
