package secheaders_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/conformance/internal/browser"
	"github.com/sluice-go/sluice/secheaders"
)

var noncePattern = regexp.MustCompile(`'nonce-[\w-]{22}'`)

// Trap d.27: with both directives Chromium sends to report-to only.
func TestAnInjectedScriptIsBlockedAndReported(t *testing.T) {
	chromium := startChromium(t)
	csp := secheaders.Document().CSP
	for name, test := range map[string]struct {
		csp       secheaders.Policy
		mediaType string
		sent      string // what the policy says of reports
	}{
		"both":       {csp, "application/reports+json", "; report-uri /csp-reports; report-to security"},
		"report-to":  {csp.Replace(secheaders.ReportTo("security")), "application/reports+json", "; report-to security"},
		"report-uri": {csp.Replace(secheaders.ReportURI(reportPath)), "application/csp-report", "; report-uri /csp-reports"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secheaders.Options{Document: secheaders.Headers{CSP: test.csp}})
			s.page("/{$}", `<title>safe</title><p>by a user: <script>document.title = "owned"</script>`)
			page := chromium.Open(t)
			page.Navigate(s.app + "/?token=secret#fragment")
			page.WaitMessage(func(m browser.Message) bool {
				return m.Kind == browser.Blocked && m.Directive == "script-src-elem" && m.Violation == "kInlineViolation"
			})
			v := s.violation(t)
			require.Positive(t, v.Column)
			require.Contains(t, v.UserAgent, "Chrome/")
			require.Equal(t, secheaders.Violation{
				Type:        "csp-violation",
				Directive:   "script-src-elem",
				Disposition: "enforce",
				Document:    s.app + "/",
				Blocked:     "inline",
				BlockedKind: "inline",
				Source:      s.app + "/",
				Line:        2,
				Column:      v.Column,
				Policy:      noncePattern.ReplaceAllString(<-s.policies, "'nonce-*'"),
				Status:      200,
				Engine:      "chromium",
				UserAgent:   v.UserAgent,
				Age:         v.Age,
			}, v)
			require.Contains(t, v.Policy, "script-src 'nonce-*' 'strict-dynamic'")
			require.Contains(t, v.Policy, test.sent)

			// What would be sent to the other directive comes before this.
			page.Evaluate(`void (new Image().src = "https://user:secret@stranger.test/path?token=secret")`, nil)
			v = s.violation(t)
			require.Equal(t, "img-src https://stranger.test/path url", v.Directive+" "+v.Blocked+" "+v.BlockedKind)
			s.none(t)
			text := ""
			for _, r := range s.received(t) {
				require.Equal(t, test.mediaType, r.mediaType)
				text += r.body
			}
			require.Regexp(t, noncePattern, text, "it was there to be scrubbed")
			require.Contains(t, text, "token=secret")
			var title string
			page.Evaluate(`document.title`, &title)
			require.Equal(t, "safe", title)
		})
	}
}
