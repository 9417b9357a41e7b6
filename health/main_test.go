package health_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/health"
)

// TestMain makes every test answer for the goroutines that it leaves behind.
func TestMain(m *testing.M) {
	if os.Getenv(suspendable) != "" {
		serveSuspendable()
		return
	}
	goleak.VerifyTestMain(m)
}

// begin starts a checker without the checks of the machine, which ends with the
// test.
func begin(t *testing.T, o health.Options) *health.Checker {
	t.Helper()
	hc := beginOpen(t, o)
	t.Cleanup(func() { require.NoError(t, hc.Close()) })
	return hc
}

// beginOpen leaves closing to the test.
func beginOpen(t *testing.T, o health.Options) *health.Checker {
	t.Helper()
	o.System.Disable = true
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	hc, err := health.New(o)
	require.NoError(t, err)
	return hc
}

func componentOf(t *testing.T, hc *health.Checker, name string) health.Component {
	t.Helper()
	r, _ := hc.Report("")
	for _, c := range r.Components {
		if c.Name == name {
			return c
		}
	}
	require.FailNow(t, "no such check", name)
	return health.Component{}
}

// standOf is the status of a group with its reason, if it has one.
func standOf(t *testing.T, hc *health.Checker, group string) string {
	t.Helper()
	r, ok := hc.Report(group)
	require.True(t, ok, group)
	if r.Reason == "" {
		return r.Status
	}
	return r.Status + " " + r.Reason
}

func codeOf(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code
}
