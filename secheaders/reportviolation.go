package secheaders

import "time"

// Violation is what a browser says that a page did against a policy. All text is
// valid UTF-8 without control characters, at most 1 KiB each, and what may be a nonce
// is replaced by "*". It is the word of a stranger all the same: encode it for where it
// is shown.
type Violation struct {
	// Type is csp-violation, integrity-violation, coop, coep,
	// permissions-policy-violation or document-policy-violation.
	Type string
	// Directive is what was violated: for the CSP the effective directive, for others
	// the destination (integrity-violation), the policy (coop), what was checked
	// (coep), or the feature.
	Directive string
	// Disposition is "enforce" or "report". It is "enforce" where a browser does not
	// say, as WebKit by report-uri.
	Disposition string
	// Document is the URL of the page. As all URLs here it is without user info, query
	// and fragment, and nothing but its scheme unless that is http, https, ws or wss.
	// Its path is kept.
	Document string
	// Blocked is the resource that was not allowed: a URL, a scheme, or a word as in
	// BlockedKind.
	Blocked string
	// BlockedKind is inline, eval, wasm-eval, self, trusted-types-sink,
	// trusted-types-policy, data, blob, filesystem, extension, url, scheme (any
	// other), none, or other (what no browser sends).
	BlockedKind string
	// Source is the URL of the script that did it, with Line and Column, 0 where they
	// are not known. Columns differ between browsers.
	Source       string
	Line, Column int
	// Sample is the beginning of the code or style that was blocked, if the policy has
	// 'report-sample': content of the page, at most 40 characters.
	Sample string
	// Referrer is that of the page.
	Referrer string
	// Policy is the one that was violated.
	Policy string
	// Status is that of the page, 0 where it is not known.
	Status int
	// Engine is chromium, firefox, webkit, or other.
	Engine string
	// UserAgent is what the browser calls itself, at most 256 bytes.
	UserAgent string
	// Age is how long the browser kept the report.
	Age time.Duration
	// Repeats is how many equal violations were not handed on since the last one that
	// was, as far as is remembered.
	Repeats int
}
