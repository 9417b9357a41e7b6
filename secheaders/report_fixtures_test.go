package secheaders_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// The fixtures are written by hand, after CSP Level 3 §5.3, Reporting API §2.3, the
// specifications of the other types, and what WebKit sends: one for each row of the
// table of what arrives and each kind of violation. SECRET is where no text may come
// from.

const (
	chromeAgent  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	firefoxAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
	safariAgent  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15"
)

// wireRows are the senders of reports about the CSP.
var wireRows = []struct {
	name, contentType, agent, engine string
	age                              time.Duration
	noSample                         bool
	column                           int // added to that of others
}{
	{"chromium-report-to", reportsJSON, chromeAgent, "chromium", 37 * time.Millisecond, false, 0},
	{"firefox-report-to", reportsJSON, firefoxAgent, "firefox", 37 * time.Millisecond, false, 0},
	{"chromium-report-uri", cspReport, chromeAgent, "chromium", 0, false, 0},
	{"firefox-report-uri", cspReport, firefoxAgent, "firefox", 0, false, 0},
	{"webkit-report-to", cspReport, safariAgent, "webkit", 0, false, 1},
	{"webkit-report-uri", cspReport, safariAgent, "webkit", 0, true, 1},
}

// cspKinds are violations as they are to be handed on.
var cspKinds = map[string]Violation{
	"inline": {Directive: "script-src-elem", Blocked: "inline", BlockedKind: "inline", Source: "https://shop.example/cart",
		Line: 12, Column: 9, Sample: "document.title = 1"},
	"eval": {Directive: "script-src", Blocked: "eval", BlockedKind: "eval", Source: "https://shop.example/app.js",
		Line: 7, Column: 31, Sample: "1 + 1"},
	"url":     {Directive: "script-src-elem", Blocked: "https://cdn.example/lib.js", BlockedKind: "url"},
	"connect": {Directive: "connect-src", Blocked: "wss://live.example/socket", BlockedKind: "url", Source: "https://shop.example/app.js", Line: 40, Column: 2},
	"frame":   {Directive: "frame-src", Blocked: "https://ads.example", BlockedKind: "url"},
	"data":    {Directive: "img-src", Blocked: "data", BlockedKind: "data"},
	"trusted-types": {Directive: "require-trusted-types-for", Blocked: "trusted-types-sink", BlockedKind: "trusted-types-sink",
		Source: "https://shop.example/app.js", Line: 3, Column: 5, Sample: "Element innerHTML|<b>hello</b>"},
}

// fixture is the request of a browser with a body of testdata.
func fixture(t testing.TB, name, contentType, agent string) *http.Request {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "reports", name+".json"))
	require.NoError(t, err)
	r := reportOf(contentType, string(body))
	if agent != "" {
		r.Header.Set("User-Agent", agent)
	}
	return r
}

// Trap d.25: "Sniff the JSON shape"; d.26, the quirks of fields; d.14, no nonce.
func TestEveryShapeOfEveryBrowserIsUnderstood(t *testing.T) {
	for _, row := range wireRows {
		for kind, want := range cspKinds {
			t.Run(row.name+" "+kind, func(t *testing.T) {
				in := newInbox(t, ReportOptions{})
				in.send(t, fixture(t, row.name+"-"+kind, row.contentType, row.agent))
				violations, drops := in.got()
				require.Empty(t, drops)
				require.Len(t, violations, 1)
				got := violations[0]
				require.NotContains(t, fmt.Sprintf("%+v", got), "SECRET")
				require.Len(t, in.log.lines(), 1)
				require.NotContains(t, in.log.lines()[0], "SECRET")

				require.Contains(t, got.Policy, "script-src 'nonce-*' 'strict-dynamic'; report-uri ")
				if got.Referrer != "" { // which Firefox may not say
					require.Equal(t, "https://shop.example/", got.Referrer)
				}
				require.Contains(t, []int{0, 200}, got.Status)
				want.Type, want.Disposition, want.Document = "csp-violation", "enforce", "https://shop.example/cart"
				want.Engine, want.UserAgent, want.Age = row.engine, row.agent, row.age
				want.Policy, want.Referrer, want.Status = got.Policy, got.Referrer, got.Status
				if row.noSample {
					want.Sample = ""
				}
				if want.Line > 0 {
					want.Column += row.column
				}
				require.Equal(t, want, got)
				require.Equal(t, []string{want.Directive + " enforce"}, in.reports)
			})
		}
	}
}

// Trap d.25: "ignore the media type beyond an allow-list".
func TestTheMediaTypeSaysNothingAboutTheShape(t *testing.T) {
	for _, row := range wireRows {
		for _, contentType := range []string{cspReport, reportsJSON, "application/json; charset=utf-8"} {
			in := newInbox(t, ReportOptions{})
			in.send(t, fixture(t, row.name+"-inline", contentType, ""))
			violations, _ := in.got()
			require.Len(t, violations, 1, "%s as %s", row.name, contentType)
		}
	}
}

// Trap d.27: one violation by report-uri and by report-to is one.
func TestTheSameViolationByBothWaysIsOne(t *testing.T) {
	for kind := range cspKinds {
		in := newInbox(t, ReportOptions{})
		for _, row := range wireRows {
			in.send(t, fixture(t, row.name+"-"+kind, row.contentType, row.agent))
		}
		violations, _ := in.got()
		require.Len(t, violations, 1, kind)
		require.Len(t, in.reports, len(wireRows), "all are counted")
	}
}

func TestReportsAboutOtherPoliciesAreUnderstood(t *testing.T) {
	const app = "https://shop.example/app.js"
	for name, want := range map[string]Violation{
		"chromium-report-to-integrity":  {Type: "integrity-violation", Directive: "script", Disposition: "enforce", Blocked: "https://cdn.example/lib.js", BlockedKind: "url", Engine: "chromium"},
		"firefox-report-to-integrity":   {Type: "integrity-violation", Directive: "script", Disposition: "report", Blocked: "https://cdn.example/lib.js", BlockedKind: "url", Engine: "firefox"},
		"webkit-reports-json-integrity": {Type: "integrity-violation", Directive: "script", Disposition: "enforce", Blocked: "https://cdn.example/lib.js", BlockedKind: "url", Engine: "webkit"},
		"chromium-report-to-coep":       {Type: "coep", Directive: "corp", Disposition: "report", Blocked: "https://cdn.example/pic.png", BlockedKind: "url", Engine: "chromium"},
		"chromium-report-to-coop":       {Type: "coop", Directive: "same-origin", Disposition: "enforce", Blocked: "https://login.example/start", BlockedKind: "url", Engine: "chromium"},
		"chromium-report-to-permissions-policy": {Type: "permissions-policy-violation", Directive: "geolocation", Disposition: "enforce",
			BlockedKind: "none", Source: app, Line: 4, Column: 11, Engine: "chromium"},
		"chromium-report-to-document-policy": {Type: "document-policy-violation", Directive: "document-write", Disposition: "report",
			BlockedKind: "none", Source: app, Line: 9, Column: 1, Engine: "chromium"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newInbox(t, ReportOptions{})
			in.send(t, fixture(t, name, reportsJSON, ""))
			violations, drops := in.got()
			require.Empty(t, drops)
			require.Len(t, violations, 1)
			got := violations[0]
			require.NotContains(t, fmt.Sprintf("%+v", got), "SECRET")
			want.Document, want.Age, want.UserAgent = "https://shop.example/cart", 5*time.Millisecond, got.UserAgent
			require.Equal(t, want, got)
			require.Equal(t, []string{want.Type + " " + want.Disposition}, in.reports, "no word of a client's own")
		})
	}
	for _, name := range []string{"webkit-reports-json-csp-hash", "chromium-report-to-deprecation"} {
		in := newInbox(t, ReportOptions{})
		in.send(t, fixture(t, name, reportsJSON, ""))
		violations, drops := in.got()
		require.Empty(t, violations, name)
		require.Equal(t, map[string]int{DropType: 1}, drops, name)
	}
}

// Trap d.26 and the bodies that no browser sends: what is wrong with one member costs
// no other.
func TestOneBadMemberCostsNoOther(t *testing.T) {
	const head = `{"csp-report":{"effective-directive":"img-src","blocked-uri":"data",`
	for body, check := range map[string]func(v Violation) bool{
		`"line-number":"17"`:                                          func(v Violation) bool { return v.Line == 17 },
		`"line-number":17.9`:                                          func(v Violation) bool { return v.Line == 17 },
		`"line-number":-17`:                                           func(v Violation) bool { return v.Line == 0 },
		`"line-number":1e400`:                                         func(v Violation) bool { return v.Line == 1<<31-1 },
		`"line-number":99999999999999999999`:                          func(v Violation) bool { return v.Line == 1<<31-1 },
		`"line-number":"NaN","column-number":{"a":[1]}`:               func(v Violation) bool { return v.Line == 0 && v.Column == 0 },
		`"line-number":null,"source-file":null`:                       func(v Violation) bool { return v.Line == 0 && v.Source == "" },
		`"status-code":123456`:                                        func(v Violation) bool { return v.Status == 999 },
		`"source-file":7,"line-number":3`:                             func(v Violation) bool { return v.Source == "" && v.Line == 3 },
		`"source-file":["https://a.example"],"line-number":3`:         func(v Violation) bool { return v.Source == "" && v.Line == 3 },
		`"document-uri":"a://b","document-uri":"https://c.example/d"`: func(v Violation) bool { return v.Document == "https://c.example/d" },
		`"script-sample":"` + strings.Repeat("x", 40) + `…"`:          func(v Violation) bool { return v.Sample == strings.Repeat("x", 40) },
		`"script-sample":"a\u0000b\r\nlevel=ERROR\u202ec"`:            func(v Violation) bool { return v.Sample == "a\uFFFDb  level=ERROR\uFFFDc" },
		"\"script-sample\":\"\xff\xfea\"":                             func(v Violation) bool { return v.Sample == "\uFFFD\uFFFDa" },
		`"disposition":"REPORT"`:                                      func(v Violation) bool { return v.Disposition == "enforce" },
		`"disposition":"report"`:                                      func(v Violation) bool { return v.Disposition == "report" },
		`"original-policy":"` + strings.Repeat("é", 1000) + `"`:       func(v Violation) bool { return v.Policy == strings.Repeat("é", 512) },
	} {
		in := newInbox(t, ReportOptions{})
		in.send(t, reportOf(cspReport, head+body+"}}"))
		violations, drops := in.got()
		require.Empty(t, drops, body)
		require.Len(t, violations, 1, body)
		require.Equal(t, "data", violations[0].Blocked, body)
		require.True(t, check(violations[0]), "%s: %+v", body, violations[0])
	}
}

// CSP Level 2 §4.4 has no effective-directive, and the whole directive as the violated
// one.
func TestOldBrowsersNameTheViolatedDirective(t *testing.T) {
	in := newInbox(t, ReportOptions{})
	in.send(t, reportOf(cspReport, `{"csp-report":{"violated-directive":"script-src 'nonce-SECRET' https:","blocked-uri":""}}`))
	violations, _ := in.got()
	require.Len(t, violations, 1)
	require.Equal(t, "script-src", violations[0].Directive)
	require.Equal(t, "none", violations[0].BlockedKind)
}

// A broken report in a batch takes no other with it.
func TestABrokenReportLeavesTheOthersOfItsBatch(t *testing.T) {
	good := batchOf(2)
	for _, broken := range []string{`{"type":"csp-violation","body":{"x":}}`, `nonsense`, `{"a":"\x"}`, `{]`[:1] + `}`, `"]"`} {
		in := newInbox(t, ReportOptions{})
		in.send(t, reportOf(reportsJSON, "["+broken+","+good[1:]))
		violations, drops := in.got()
		require.Len(t, violations, 2, broken)
		require.Equal(t, map[string]int{DropMalformed: 1}, drops, broken)
	}
}
