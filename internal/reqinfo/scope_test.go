package reqinfo_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

type key struct{}

func TestAScopeIsFoundWithTheRequestItIsWithin(t *testing.T) {
	scope, info := reqinfo.Scope(t.Context())
	require.Nil(t, scope)
	require.Nil(t, info)

	e := reqinfo.Enter(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	defer e.Leave()
	scope, info = reqinfo.Scope(e.R.Context())
	require.Nil(t, scope)
	require.Same(t, e.Info, info)
	e.Info.SetScope("request")
	scope, info = reqinfo.Scope(e.R.Context())
	require.Equal(t, "request", scope)
	require.Same(t, e.Info, info)

	inner := context.WithValue(reqinfo.WithScope(context.WithValue(e.R.Context(), key{}, "kept"), "inner"), key{}, "other")
	scope, info = reqinfo.Scope(inner)
	require.Equal(t, "inner", scope)
	require.Same(t, e.Info, info)
	require.Same(t, e.Info, reqinfo.From(inner), "the carrier is found through a scope")
	scope, info = reqinfo.Scope(reqinfo.WithScope(inner, "innermost"))
	require.Equal(t, "innermost", scope)
	require.Same(t, e.Info, info)
	require.Equal(t, "kept", reqinfo.WithScope(context.WithValue(t.Context(), key{}, "kept"), 1).Value(key{}))
}

func TestAScopeNeedsNoRequest(t *testing.T) {
	ctx := reqinfo.WithScope(t.Context(), "job")
	scope, info := reqinfo.Scope(ctx)
	require.Equal(t, "job", scope)
	require.Nil(t, info)
	require.Nil(t, reqinfo.From(ctx))
	(*reqinfo.Info)(nil).SetScope("lost")
}

func TestFindingAScopeAllocatesNothing(t *testing.T) {
	ctx := context.WithValue(reqinfo.WithScope(t.Context(), new(int)), key{}, 1)
	require.Zero(t, testing.AllocsPerRun(100, func() { reqinfo.Scope(ctx) }))
}
