package secheaders

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ReportOptions configure what becomes of the reports that browsers send. Anybody
// can send one, and say in it what he likes: what comes is cut, cleaned, limited
// and counted, and no more can be known of it.
//
// Hooks run in the goroutine of the request, after the browser got its answer,
// and may run at the same time. One that takes long holds a place of MaxBusy. The
// context has the values of the request, and does not end with it. A hook that
// panics is logged, and the reports after it are handled as if it had returned.
type ReportOptions struct {
	// URL is where browsers send reports: the path under which the report handler is
	// mounted ("/csp-reports"), or an https URL of somebody else. Every policy then
	// names it, in report-uri, report-to and Reporting-Endpoints.
	// Default: none.
	URL string
	// OnViolation is told of each violation that is new, see Window.
	// Default: none.
	OnViolation func(context.Context, Violation)
	// OnReport is told of every report that was understood and not dropped,
	// duplicates included: its directive and disposition, as metrics.ObserveCSPReport
	// takes them. The directive of reports about other policies than the CSP is their
	// type, such as "coep".
	// Default: none.
	OnReport func(directive, disposition string)
	// OnDrop is told of reports that were dropped: the reason, one of the Drop
	// constants, and how many. A request that was not read counts as one.
	// Default: none.
	OnDrop func(reason string, records int)
	// Ignore tells of further violations that are noise. What extensions and in-app
	// browsers cause is dropped already.
	// Default: none.
	Ignore func(Violation) bool
	// Rate is how many reports in a second are looked at, of all clients together.
	// After a pause 400 pass at once, or Rate if that is more: one client, with a full
	// batch of 100, leaves room for others. Negative: no limit.
	// Default: 100.
	Rate int
	// ClientRate is Rate for one address of clients, or one /64 of IPv6. After a pause a
	// full batch of 100 passes at once. Behind a proxy it needs a layer outside that
	// knows the address of the client. Without one, only Rate and MaxBusy count for what
	// comes from [Options].TrustedProxies; any other proxy is one client. Negative: no
	// limit.
	// Default: 10.
	ClientRate int
	// Window is for how long equal violations are handed on once. Equal are those
	// with the same type, directive, disposition, document, source, line and blocked
	// resource. Negative: each is handed on.
	// Default: 1 minute.
	Window time.Duration
	// MaxBusy is how many requests are read or worked on at the same time, at most a
	// quarter of them of one client; the next ones are dropped. It bounds the memory
	// for reports: 16 KiB for each, and 4 MiB for long batches together.
	// Default: 64.
	MaxBusy int
	// Origins are those of other pages that may send here ("https://app.example"). If
	// it is not nil, reports about documents of other origins are dropped, but for
	// those of the host that they are sent to and for documents without a host. That
	// keeps out strays, not liars.
	// Default: nil, any page; nothing here depends on who sends.
	Origins []string
}

// Reasons for which reports are dropped.
const (
	DropMediaType = "media_type" // no media type of reports
	DropEncoding  = "encoding"   // compressed, which no browser does
	DropTooLarge  = "too_large"  // a report over 16 KiB, or a batch over 256 KiB
	DropTooMany   = "too_many"   // beyond the first 100 of a batch
	DropRate      = "rate"       // over Rate or ClientRate
	DropBusy      = "busy"       // over MaxBusy, or no memory left for a long batch
	DropBroken    = "broken"     // did not arrive whole, or within 5 seconds
	DropMalformed = "malformed"  // no JSON, too deep, or none of the known shapes
	DropType      = "type"       // reports that tell of no violation: deprecations, crashes, hashes
	DropOrigin    = "origin"     // about a document of none of Origins
	DropNoise     = "noise"      // caused by extensions and in-app browsers
	DropIgnored   = "ignored"    // by Ignore
)

// dropReason is an index into dropReasons.
type dropReason uint8

const (
	kept dropReason = iota
	dropMediaType
	dropEncoding
	dropTooLarge
	dropTooMany
	dropRate
	dropBusy
	dropBroken
	dropMalformed
	dropType
	dropOrigin
	dropNoise
	dropIgnored
	numDropReasons
)

var dropReasons = [numDropReasons]string{"", DropMediaType, DropEncoding, DropTooLarge, DropTooMany, DropRate, DropBusy,
	DropBroken, DropMalformed, DropType, DropOrigin, DropNoise, DropIgnored}

// maxRate is far above what one process can look at.
const maxRate = 1_000_000

// withDefaults fills in what is not set.
func (o ReportOptions) withDefaults() ReportOptions {
	o.Rate = cmp.Or(o.Rate, 100)
	o.ClientRate = cmp.Or(o.ClientRate, 10)
	o.Window = cmp.Or(o.Window, time.Minute)
	o.MaxBusy = cmp.Or(o.MaxBusy, 64)
	o.Origins = slices.Clone(o.Origins) // nil stays nil
	return o
}

// faults are all that is wrong but for URL.
func (o *ReportOptions) faults(f *faults) {
	if o.Rate > maxRate {
		f.add("Reports.Rate", "%d is more than %d; a negative one is no limit", o.Rate, maxRate)
	}
	if o.ClientRate > maxRate {
		f.add("Reports.ClientRate", "%d is more than %d; a negative one is no limit", o.ClientRate, maxRate)
	}
	if o.MaxBusy < 0 {
		f.add("Reports.MaxBusy", "%d is negative, but the memory for reports needs a bound", o.MaxBusy)
	}
	for i, origin := range o.Origins {
		switch {
		case !isSerializedOrigin(origin):
			f.add("Reports.Origins", `%q is no origin as browsers write it, such as "https://app.example"`, origin)
		case slices.Contains(o.Origins[:i], origin):
			f.add("Reports.Origins", "%q is listed twice", origin)
		}
	}
}

// isSerializedOrigin reports whether s is what the Origin field of an http or
// https page says (RFC 6454 §6.2): lower case, and no default port.
func isSerializedOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	port := u.Port()
	isDefault := u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	return !isDefault && !strings.HasSuffix(u.Host, ":") && isReportHost(u.Host) && s == strings.ToLower(u.Scheme+"://"+u.Host)
}
