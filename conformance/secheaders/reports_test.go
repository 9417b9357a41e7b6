package secheaders_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/conformance/internal/browser"
	"github.com/sluice-go/sluice/secheaders"
)

// Reports about other policies, as Chromium sends them. Each page violates one.
func TestViolationsOfOtherPoliciesAreReported(t *testing.T) {
	const (
		frame  = `<iframe src="/bare/frame"></iframe>`
		script = `<script nonce="{{.}}" src="/script.js"></script>`
	)
	chromium := startChromium(t)
	framing := secheaders.Document().CSP.With(secheaders.FrameSrc(secheaders.Self))
	for name, test := range map[string]struct {
		headers secheaders.Headers
		page    string
		visit   func(p *browser.Page, s *site)
		want    secheaders.Violation // %s stands for the origin
	}{
		"Trusted Types": {
			page: `<p id="p"><script nonce="{{.}}">try { p.innerHTML = "<b>bold</b>"; } catch {}</script>`,
			want: secheaders.Violation{
				Type: "csp-violation", Directive: "require-trusted-types-for", Disposition: "enforce",
				Blocked: "trusted-types-sink", BlockedKind: "trusted-types-sink",
				Source: "%s/", Line: 2, Sample: "Element innerHTML|<b>bold</b>", Status: 200,
			},
		},
		"Permissions-Policy-Report-Only": {
			headers: secheaders.Headers{
				Permissions:           secheaders.Permissions{},
				PermissionsReportOnly: secheaders.Permissions{secheaders.Deny(secheaders.Geolocation)},
			},
			page: `<script nonce="{{.}}">navigator.geolocation.getCurrentPosition(() => {}, () => {});</script>`,
			want: secheaders.Violation{
				Type: "permissions-policy-violation", Directive: "geolocation", Disposition: "report",
				BlockedKind: "none", Source: "%s/", Line: 2,
			},
		},
		"Integrity-Policy": {
			headers: secheaders.Headers{Integrity: &secheaders.IntegrityPolicy{Scripts: true}},
			page:    script,
			want: secheaders.Violation{
				Type: "integrity-violation", Directive: "script", Disposition: "enforce",
				Blocked: "%s/script.js", BlockedKind: "url",
			},
		},
		"Integrity-Policy-Report-Only": {
			headers: secheaders.Headers{IntegrityReportOnly: &secheaders.IntegrityPolicy{Scripts: true}},
			page:    script,
			want: secheaders.Violation{
				Type: "integrity-violation", Directive: "script", Disposition: "report",
				Blocked: "%s/script.js", BlockedKind: "url",
			},
		},
		"Cross-Origin-Embedder-Policy": {
			headers: secheaders.Headers{CSP: framing},
			page:    frame,
			want: secheaders.Violation{
				Type: "coep", Directive: "navigation", Disposition: "enforce",
				Blocked: "%s/bare/frame", BlockedKind: "url",
			},
		},
		"Cross-Origin-Embedder-Policy-Report-Only": {
			headers: secheaders.QuickStart(),
			page:    frame,
			want: secheaders.Violation{
				Type: "coep", Directive: "navigation", Disposition: "report",
				Blocked: "%s/bare/frame", BlockedKind: "url",
			},
		},
		"Cross-Origin-Opener-Policy": {
			visit: popUp,
			want: secheaders.Violation{
				Type: "coop", Directive: "same-origin-plus-coep", Disposition: "enforce", BlockedKind: "none",
			},
		},
		"Cross-Origin-Opener-Policy-Report-Only": {
			headers: secheaders.Headers{Opener: secheaders.Omit, OpenerReportOnly: secheaders.OpenerSameOrigin},
			visit:   popUp,
			want: secheaders.Violation{
				Type: "coop", Directive: "same-origin-plus-coep", Disposition: "report", BlockedKind: "none",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, secheaders.Options{Document: test.headers})
			s.page("/{$}", test.page)
			file(s.pages, "/script.js", "text/javascript", "")
			file(s.bare, "/", "text/html", "<!doctype html>")
			p := chromium.Open(t)
			if test.visit == nil {
				p.Navigate(s.app + "/")
			} else {
				test.visit(p, s)
			}
			v := s.violation(t)
			want := test.want
			want.Document, want.Engine = s.app+"/", "chromium"
			for _, url := range []*string{&want.Blocked, &want.Source} {
				if *url != "" && (*url)[0] == '%' {
					*url = fmt.Sprintf(*url, s.app)
				}
			}
			// What is none of the table's business.
			want.Column, want.Policy, want.Referrer, want.Age, want.UserAgent = v.Column, v.Policy, v.Referrer, v.Age, v.UserAgent
			require.Equal(t, want, v)
			s.received(t)
		})
	}
}

// popUp is another origin that opens the page in a window of its own.
func popUp(p *browser.Page, s *site) {
	p.Navigate(s.stranger + "/")
	p.Evaluate(fmt.Sprintf("void window.open(%q)", s.app+"/"), nil)
}
