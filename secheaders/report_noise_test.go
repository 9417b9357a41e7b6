package secheaders_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// Trap d.31: what extensions and in-app browsers cause, in the bare form and with
// "://"; and what must not be taken for it.
func TestNoiseIsDropped(t *testing.T) {
	type object = map[string]string
	tests := []struct {
		name  string
		body  object
		agent string
		noise bool
	}{
		{"translated page", object{"document-uri": "https://shop-example.translate.goog/x"}, "", true},
		{"translated source", object{"source-file": "https://translate.goog:443/x.js"}, "", true},
		{"a host that ends alike", object{"source-file": "https://nottranslate.goog/x.js"}, "", false},
		{"a path that looks alike", object{"source-file": "https://a.example/translate.goog"}, "", false},
		{"Facebook", object{}, "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 [FBAN/FBIOS;FB_IAB/FB4A]", true},
		{"Instagram", object{}, "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Instagram 300.0.0", true},
		{"Line", object{}, "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Line/13.0.0", true},
		{"Safari", object{}, safariAgent, false},
		{"Chrome", object{}, chromeAgent, false},
		{"a password manager", object{"script-sample": "window.LastPass = 1"}, "", true},
		{"developer tools", object{"script-sample": "__devtools__()"}, "", true},
		{"a blocker", object{"script-sample": "(function adblock() {"}, "", true},
		{"what an extension put into a page", object{"script-sample": "lastpass", "source-file": "moz-extension://abc/x.js"}, "", true},
		// An attacker writes what he likes into his code, and serves it from where he likes.
		{"a word in code of a page", object{"script-sample": "/*adblock*/steal()", "source-file": "https://shop.example/cart"}, "", false},
		{"a script by way of a translator", object{"blocked-uri": "https://evil-example.translate.goog/x.js"}, "", false},
		{"code of the page", object{"script-sample": "document.title = 1"}, "", false},
		{"a page that is an extension", object{"document-uri": "chrome-extension://abc/page.html"}, "", true},
		{"a document in a frame", object{"document-uri": "about:srcdoc"}, "", false},
		{"a host that many block", object{"blocked-uri": "https://accounts.google.com/x"}, "", false},
		{"inline", object{"blocked-uri": "inline"}, "", false},
		{"a blob", object{"blocked-uri": "blob"}, "", false},
		{"a page's own path", object{"source-file": "https://shop.example/resource"}, "", false},
		{"Firefox's own loader", object{"source-file": "resource", "line-number": "236"}, "", true},
		{"the same as a URL", object{"source-file": "resource://gre/modules/FaviconLoader.sys.mjs"}, "", true},
	}
	for scheme := range strings.FieldsSeq(`chrome-extension moz-extension safari-extension safari-web-extension ms-browser-extension
		view-source about chromenull webviewprogress mxjscall gsa jar symres tmtbff nikkomsgchannel`) {
		for _, field := range []string{"blocked-uri", "source-file"} {
			for _, form := range []string{"%s", "%s://abcdef/x.js", "%s:x", "%s://"} {
				what := fmt.Sprintf(form, scheme)
				tests = append(tests, struct {
					name  string
					body  object
					agent string
					noise bool
				}{field + " " + what, object{field: what}, "", true})
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := newInbox(t, ReportOptions{})
			tt.body["effective-directive"] = "script-src"
			body, err := json.Marshal(map[string]object{"csp-report": tt.body})
			require.NoError(t, err)
			r := reportOf(cspReport, string(body))
			r.Header.Set("User-Agent", tt.agent)
			in.send(t, r)
			violations, drops := in.got()
			require.Equal(t, tt.noise, drops[DropNoise] == 1, "%+v", violations)
			require.Equal(t, tt.noise, len(violations) == 0)
			require.Equal(t, tt.noise, len(in.reports) == 0)
		})
	}
}

func TestIgnoreSeesWhatIsHandedOn(t *testing.T) {
	var asked []string
	in := newInbox(t, ReportOptions{Ignore: func(v Violation) bool {
		asked = append(asked, v.Source)
		return strings.HasSuffix(v.Source, "/widget.js")
	}})
	for _, source := range []string{"/widget.js?token=SECRET", "/app.js?token=SECRET"} {
		in.send(t, reportOf(cspReport, `{"csp-report":{"effective-directive":"img-src","source-file":"https://u:p@shop.example`+source+`"}}`))
	}
	require.Equal(t, []string{"https://shop.example/widget.js", "https://shop.example/app.js"}, asked)
	violations, drops := in.got()
	require.Len(t, violations, 1)
	require.Equal(t, map[string]int{DropIgnored: 1}, drops)
}
