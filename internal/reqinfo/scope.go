package reqinfo

import "context"

// scoped is a context that has a scope of queries of its own, within a request
// or without one.
type scoped struct {
	context.Context
	info  *Info // of the request it is within, or nil
	scope any
}

// Value makes the scope and the carrier findable in one walk.
func (s *scoped) Value(key any) any {
	if key == (infoKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// WithScope returns a context whose queries belong to scope.
func WithScope(ctx context.Context, scope any) context.Context {
	return &scoped{ctx, From(ctx), scope}
}

// SetScope sets what the queries of the whole request belong to. It is lost on a
// carrier that is no context yet.
func (i *Info) SetScope(scope any) {
	if in := i.context(); in != nil {
		in.scope.Store(&scope)
	}
}

// Scope returns what a query belongs to, nil for none, and the carrier, nil
// outside of a request. It is one walk up the contexts for both.
func Scope(ctx context.Context) (scope any, info *Info) {
	if ctx == nil {
		return nil, nil
	}
	switch v := ctx.Value(infoKey{}).(type) {
	case *scoped:
		return v.scope, v.info
	case *Info:
		if in := v.context(); in != nil {
			if s := in.scope.Load(); s != nil {
				return *s, v
			}
		}
		return nil, v
	default:
		return nil, nil
	}
}
