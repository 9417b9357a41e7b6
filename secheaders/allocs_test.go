//go:build !race

package secheaders_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	. "github.com/sluice-go/sluice/secheaders"
)

// carrier is the layer that pays for what the whole stack shares.
func carrier(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		e.Next(next)
	})
}

func TestAllocations(t *testing.T) {
	strict, constant := mustNew(t, Options{}), mustNew(t, withoutNonce)
	more, err := strict.Append(ConnectSrc("https://a.example"))
	require.NoError(t, err)
	both := mustNew(t, Options{Document: Headers{CSPReportOnly: Policy{ScriptSrc(WithNonce)}}})
	for _, tt := range []struct {
		name  string
		h     http.Handler
		bound float64 // beyond the shared recorder
	}{
		{"a document without a nonce", constant.Middleware(http.HandlerFunc(page)), 0},
		{"JSON", strict.Middleware(http.HandlerFunc(object)), 0},
		{"a document whose header has a nonce", strict.Middleware(http.HandlerFunc(page)), 1},
		{"a document that reads its nonce", strict.Middleware(http.HandlerFunc(noncedPage)), 1},
		{"two policies with a nonce", both.Middleware(http.HandlerFunc(noncedPage)), 2},
		{"a route that may do more", strict.Middleware(more(http.HandlerFunc(noncedPage))), 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := testing.AllocsPerRun(500, serveInto(carrier(http.HandlerFunc(page))))
			require.LessOrEqual(t, testing.AllocsPerRun(500, serveInto(carrier(tt.h)))-shared, tt.bound)
			require.LessOrEqual(t, testing.AllocsPerRun(500, serveInto(tt.h))-shared, tt.bound, "as the only layer")
		})
	}
}
