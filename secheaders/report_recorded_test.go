package secheaders_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// What Chromium 156 sent, as conformance/secheaders records it with -record. Trap
// d.26, the quirks of fields: a permission is a policyId, with the disposition
// "report"; COOP and COEP say "reporting".
var recorded = map[string]string{
	"both":                           "csp-violation script-src-elem enforce inline",
	"report-to":                      "csp-violation script-src-elem enforce inline",
	"report-uri":                     "csp-violation script-src-elem enforce inline",
	"trusted-types":                  "csp-violation require-trusted-types-for enforce trusted-types-sink",
	"permissions-policy-report-only": "permissions-policy-violation geolocation report ",
	"integrity-policy":               "integrity-violation script enforce https://app.test:8443/script.js",
	"integrity-policy-report-only":   "integrity-violation script report https://app.test:8443/script.js",
	"cross-origin-embedder-policy":   "coep navigation enforce https://app.test:8443/bare/frame",
	"cross-origin-embedder-policy-report-only": "coep navigation report https://app.test:8443/bare/frame",
	"cross-origin-opener-policy":               "coop same-origin-plus-coep enforce ",
	"cross-origin-opener-policy-report-only":   "coop same-origin-plus-coep report ",
}

func TestReportsThatChromiumSentAreUnderstood(t *testing.T) {
	files, err := filepath.Glob("testdata/reports/chromium-156/*.json")
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names = append(names, name)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			in := newInbox(t, ReportOptions{})
			in.send(t, reportOf(reportsJSON, string(body)))
			violations, drops := in.got()
			require.Empty(t, drops)
			require.Len(t, violations, 1)
			v := violations[0]
			require.Equal(t, recorded[name], fmt.Sprintf("%s %s %s %s", v.Type, v.Directive, v.Disposition, v.Blocked))
			require.Equal(t, "https://app.test:8443/", v.Document)
			require.NotRegexp(t, `nonce-[\w]|secret`, fmt.Sprintf("%+v", v))
			if strings.HasPrefix(string(body), "[") {
				require.Equal(t, "chromium", v.Engine)
			}
		})
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(recorded)), names)
}
