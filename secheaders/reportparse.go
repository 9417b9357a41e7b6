package secheaders

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// wireReport is a report in any of the shapes that browsers send: a report of the
// Reporting API (§2.3), alone (WebKit) or in a batch, or what report-uri gets (CSP3
// §5.3), with more beside it from WebKit.
type wireReport struct {
	Age       wireNumber `json:"age"`
	Type      string     `json:"type"`
	URL       string     `json:"url"`
	UserAgent string     `json:"user_agent"`
	Body      *wireBody  `json:"body"`
	Legacy    *wireBody  `json:"csp-report"`
}

// wireBody has the members of all bodies under both of their spellings.
type wireBody struct {
	DocumentURL        string     `json:"documentURL"` // CSP3 §5.1
	BlockedURL         string     `json:"blockedURL"`
	EffectiveDirective string     `json:"effectiveDirective"`
	OriginalPolicy     string     `json:"originalPolicy"`
	SourceFile         string     `json:"sourceFile"`
	StatusCode         wireNumber `json:"statusCode"`
	LineNumber         wireNumber `json:"lineNumber"`
	ColumnNumber       wireNumber `json:"columnNumber"`
	Sample             string     `json:"sample"`
	Referrer           string     `json:"referrer"`
	Disposition        string     `json:"disposition"`

	OldDocument  string     `json:"document-uri"` // CSP3 §5.3
	OldBlocked   string     `json:"blocked-uri"`
	OldEffective string     `json:"effective-directive"`
	OldViolated  string     `json:"violated-directive"`
	OldPolicy    string     `json:"original-policy"`
	OldSource    string     `json:"source-file"`
	OldStatus    wireNumber `json:"status-code"`
	OldLine      wireNumber `json:"line-number"`
	OldColumn    wireNumber `json:"column-number"`
	OldSample    string     `json:"script-sample"`

	Destination     string `json:"destination"`     // integrity-violation
	ReportOnly      bool   `json:"reportOnly"`      // integrity-violation
	Kind            string `json:"type"`            // coep
	EffectivePolicy string `json:"effectivePolicy"` // coop
	NextURL         string `json:"nextResponseURL"` // coop
	PreviousURL     string `json:"previousResponseURL"`
	OpenedURL       string `json:"openedWindowURL"`
	FeatureID       string `json:"featureId"` // permissions-policy-violation
	PolicyID        string `json:"policyId"`  // document-policy-violation
}

// wireNumber takes whatever stands in the place of a number. A number that is
// wrong must not cost the rest of the report.
type wireNumber int

// UnmarshalJSON never fails.
func (n *wireNumber) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) {
		f = 0
	}
	*n = wireNumber(min(max(f, 0), math.MaxInt32))
	return nil
}

// parseReport reads one report. agent is the User-Agent of the request: some
// shapes do not say it.
func parseReport(record []byte, depth int, agent string) (v Violation, reason dropReason) {
	if len(record) > maxReportSize {
		return v, dropTooLarge
	}
	if depth > maxReportDepth {
		return v, dropMalformed
	}
	var w wireReport
	var wrongType *json.UnmarshalTypeError
	// A member of a wrong type is left out, and the others are read.
	if err := json.Unmarshal(record, &w); err != nil && !errors.As(err, &wrongType) {
		return v, dropMalformed
	}
	b := cmp.Or(w.Legacy, w.Body)
	if b == nil {
		return v, dropMalformed
	}
	v.Type, reason = w.violationType()
	if reason != kept {
		return v, reason
	}
	v.Document, _ = scrubURL(cmp.Or(b.DocumentURL, b.OldDocument, w.URL))
	v.Source, _ = scrubURL(cmp.Or(b.SourceFile, b.OldSource))
	v.Referrer, _ = scrubURL(b.Referrer)
	v.Line, v.Column = int(cmp.Or(b.LineNumber, b.OldLine)), int(cmp.Or(b.ColumnNumber, b.OldColumn))
	v.Status = min(int(cmp.Or(b.StatusCode, b.OldStatus)), 999)
	v.Sample = cleanSample(cmp.Or(b.Sample, b.OldSample))
	v.Policy = cutText(scrubNonces(printable(cmp.Or(b.OriginalPolicy, b.OldPolicy)), inPolicy), maxReportField)
	v.Age = time.Duration(w.Age) * time.Millisecond
	// Of a field of a megabyte no more is looked at, for each of a hundred reports.
	v.UserAgent = cleanText(cutText(cmp.Or(w.UserAgent, agent), maxReportAgent), maxReportAgent)
	v.Engine = w.engine(v.UserAgent)
	v.Disposition = b.disposition()
	v.Directive = b.directive(v.Type)
	v.Blocked, v.BlockedKind = b.blocked(v.Type)
	if v.Directive == "" {
		return v, dropMalformed
	}
	return v, kept
}

// violationType is the type of reports that tell of a violation.
func (w *wireReport) violationType() (string, dropReason) {
	if w.Legacy != nil {
		return "csp-violation", kept
	}
	switch w.Type {
	case "csp-violation", "integrity-violation", "coop", "coep", "permissions-policy-violation", "document-policy-violation":
		return strings.Clone(w.Type), kept
	case "potential-permissions-policy-violation": // by the allow attribute of a frame
		return "permissions-policy-violation", kept
	case "":
		return "", dropMalformed
	default:
		return "", dropType
	}
}

// directive is what was violated, empty where it is nothing that a specification
// could name: then it was no browser.
func (b *wireBody) directive(reportType string) string {
	var name string
	switch reportType {
	case "csp-violation":
		name = cmp.Or(b.EffectiveDirective, b.OldEffective, b.OldViolated)
		// In CSP Level 2 §4.4 it is the directive with its value.
		name, _, _ = strings.Cut(name, " ")
	case "integrity-violation":
		name = cmp.Or(b.Destination, "script") // the first destination there was
	case "coop":
		name = cmp.Or(b.EffectivePolicy, "coop")
	case "coep":
		name = strings.ReplaceAll(cmp.Or(b.Kind, "coep"), " ", "-") // "worker initialization"
	default:
		name = cmp.Or(b.FeatureID, b.PolicyID)
	}
	const longest = 64
	if len(name) > longest || !isDirectiveName(name) {
		return ""
	}
	return strings.Clone(name)
}

// isDirectiveName reports whether s is like the names of directives, destinations,
// features and policies. They are in lower case.
func isDirectiveName(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < 'a' || s[i] > 'z') && (i == 0 || !isDigit(s[i]) && s[i] != '-') {
			return false
		}
	}
	return s != ""
}

// disposition takes silence for enforcement: what is lost otherwise is the report
// about a page that does not work.
func (b *wireBody) disposition() string {
	if b.ReportOnly || b.Disposition == "report" || b.Disposition == "reporting" { // HTML §7.1.3.3
		return "report"
	}
	return "enforce"
}

// blocked is the resource, and the kind of it.
func (b *wireBody) blocked(reportType string) (what, kind string) {
	raw := cmp.Or(b.BlockedURL, b.OldBlocked)
	if reportType == "coop" {
		raw = cmp.Or(b.NextURL, b.OpenedURL, b.PreviousURL)
	}
	for _, word := range [...]string{"inline", "eval", "wasm-eval", "self", "trusted-types-sink", "trusted-types-policy"} {
		if raw == word { // CSP3 §2.4
			return word, word
		}
	}
	what, scheme := scrubURL(raw)
	switch {
	case raw == "":
		return "", "none"
	case scheme == "":
		return "", "other"
	case scheme == "data", scheme == "blob", scheme == "filesystem":
		return what, scheme
	case isExtensionScheme(scheme):
		return what, "extension"
	case what != scheme:
		return what, "url"
	default:
		return what, "scheme"
	}
}

// engine goes by what browsers call themselves, and by the shapes that are
// WebKit's alone. On iOS all names are names for WebKit.
func (w *wireReport) engine(agent string) string {
	switch {
	case strings.Contains(agent, "Chrome/"), strings.Contains(agent, "Chromium/"):
		return "chromium"
	case strings.Contains(agent, "Firefox/"):
		return "firefox"
	case strings.Contains(agent, "AppleWebKit/"), w.Legacy != nil && w.Type != "":
		return "webkit"
	default:
		return "other"
	}
}
