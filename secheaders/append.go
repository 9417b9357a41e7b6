package secheaders

import (
	"context"
	"errors"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// Errors of [Append].
var (
	ErrNoMiddleware = errors.New("secheaders: there is no Middleware around this handler")
	ErrCommitted    = errors.New("secheaders: the header of the response is fixed already")
	ErrNoPolicy     = errors.New("secheaders: the response has no policy to add to")
)

// Append lets this one response do more, as [Policy.With] has it, for sources that are
// known only now. It fails closed: what is malformed, or comes too late, changes
// nothing. It compiles a policy; where sources are known before, [Secure.Append] costs
// nothing.
func Append(ctx context.Context, directives ...Directive) error {
	info := reqinfo.From(ctx)
	for {
		policy, fixed := info.HeaderPolicy()
		switch {
		case policy == nil:
			return ErrNoMiddleware
		case fixed:
			return ErrCommitted
		}
		more, err := policy.Data.(*view).with(directives)
		if err != nil || info.ReplaceHeaderPolicy(policy, &more.policy) {
			return err
		}
	}
}

// with is the plan whose documents may do more.
func (p *plan) with(directives []Directive) (*plan, error) {
	headers := p.headers
	var err error
	if headers[document], err = headers[document].with(directives); err != nil {
		return nil, err
	}
	var f faults
	more := newPlan(p.secure, headers, &f, "Append")
	return more, f.err()
}

// with is the view whose documents may do more, for one response.
func (v *view) with(directives []Directive) (*view, error) {
	p := &plan{secure: v.plan.secure, headers: v.plan.headers}
	doc, err := p.headers[document].with(directives)
	if err != nil {
		return nil, err
	}
	p.headers[document] = doc
	more := &p.views[v.transport]
	*more = *v
	more.plan, more.policy.Data = p, more
	more.sets[document] = doc.compile(v.transport, p.secure.hsts, p.secure.reportURL)
	var f faults
	if size := more.sets[document].size(); size > maxSize {
		f.tooLong("Append", size)
	}
	return more, f.err()
}

// with are headers whose policies allow more.
func (h Headers) with(directives []Directive) (Headers, error) {
	if len(h.CSP) == 0 && len(h.CSPReportOnly) == 0 {
		return h, ErrNoPolicy
	}
	var f faults
	for _, d := range directives { // as they are: what is allowed already is checked, too
		for _, reason := range d.valueFaults() {
			f.add("Append", "%s: %s", d.name, reason)
		}
		if d.name == "frame-ancestors" {
			h.FrameOptions = ""
		}
	}
	if err := f.err(); err != nil {
		return h, err
	}
	h.CSP = h.CSP.With(directives...)
	h.CSPReportOnly = h.CSPReportOnly.With(directives...)
	h.CSP.faults(&f, "Append", enforced)
	h.CSPReportOnly.faults(&f, "Append", reported)
	return h, f.err()
}
