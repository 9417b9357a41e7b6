package secheaders_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// Sheet (d): the values are double-quoted.
func TestClearSiteDataIsWritten(t *testing.T) {
	const logout = `"cache", "cookies", "storage"`
	for _, tt := range []struct {
		name string
		data []SiteData
		want string
	}{
		{"what a logout needs", nil, logout},
		{"one kind", []SiteData{ClearCookies}, `"cookies"`},
		{"in the order given", []SiteData{ClearStorage, ClearCache}, `"storage", "cache"`},
		{"each kind once", []SiteData{ClearCookies, ClearCache, ClearCookies, ClearCache}, `"cookies", "cache"`},
		{"all kinds by name", []SiteData{ClearCache, ClearCookies, ClearStorage, ClearExecutionContexts, ClearPrefetchCache, ClearPrerenderCache},
			`"cache", "cookies", "storage", "executionContexts", "prefetchCache", "prerenderCache"`},
		{"all", []SiteData{ClearAll}, `"*"`},
		{"all, and so no other", []SiteData{ClearCookies, ClearAll, ClearCache}, `"*"`},
		{"what is no kind", []SiteData{0, 200, ClearAll + 1, ClearCookies, 255}, `"cookies"`},
		{"nothing but that", []SiteData{0, 255}, logout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			ClearSiteData(w, ClearExecutionContexts)
			ClearSiteData(w, tt.data...)
			require.Equal(t, []string{tt.want}, w.Header()["Clear-Site-Data"])
		})
	}
}

func TestNothingElseGetsIntoClearSiteData(t *testing.T) {
	form := regexp.MustCompile(`^"(\*|[A-Za-z]+)"(, "[A-Za-z]+")*$`)
	for d := range 256 {
		w := httptest.NewRecorder()
		ClearSiteData(w, SiteData(d), ClearCookies, SiteData(255-d))
		require.Regexp(t, form, w.Header().Get("Clear-Site-Data"))
	}
}

func TestALogoutClearsBesideTheOtherHeaders(t *testing.T) {
	s := mustNew(t, Options{})
	h := answer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ClearSiteData(w)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})), secureRequest())
	require.Equal(t, []string{`"cache", "cookies", "storage"`}, h["Clear-Site-Data"])
	require.NotEmpty(t, h["Strict-Transport-Security"])

	h = answer(s.Middleware(typed("text/html")), secureRequest())
	require.NotContains(t, h, "Clear-Site-Data", "it is never global")
}
