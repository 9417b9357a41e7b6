// Package secheaders gives responses their security headers: a Content-Security-Policy
// with a nonce for each response, HSTS, isolation from other origins, and all the
// others that browsers act on; and it takes the reports of what a policy kept a browser
// from.
//
//	sec, err := secheaders.New(secheaders.Options{
//		Reports: secheaders.ReportOptions{URL: "/csp-reports"},
//	})
//	...
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
//		_ = page.Execute(w, map[string]any{"Nonce": secheaders.Nonce(r.Context())})
//	})
//	root := http.NewServeMux()
//	root.Handle("/csp-reports", sec.ReportHandler())
//	root.Handle("/", sec.Middleware(sec.Isolate(mux)))
//
// The zero Options are strict: a page's scripts need the nonce in their tags (<script
// nonce="{{.Nonce}}">), event handler attributes and javascript: URLs do nothing, and
// no string becomes markup or code by itself. [QuickStart] suits pages that were
// written without a policy in mind.
//
// Guarantees:
//   - What is malformed fails in [New], with all faults named: a value that would end a
//     directive or the header, a keyword without quotes, a directive that is there
//     twice, sources that browsers ignore, headers over 8 KiB. What is added at request
//     time fails closed.
//   - The nonce is 128 bits from crypto/rand, made only for a document, and fixed at the
//     earlier of the first read and the header: what a template reads while it streams
//     is what the policy has.
//   - A response whose body may carry the nonce is marked private, and sluice's cache
//     does not store it. A 304 has no policy with a nonce, so that the stored one goes
//     on to count for the stored page (RFC 9110 §15.4.5).
//   - Headers depend on the content type: documents get a policy for documents, data one
//     that allows nothing, scripts and images none, as a worker obeys its own. What is
//     unknown is a document.
//   - What a handler or an upstream has set itself is kept, and nothing is doubled. To
//     leave out a header a handler sets it to nil in the map.
//   - Headers are on every response of the layers inside, on errors and after panics
//     too; interim responses, upgrades and hijacked connections are untouched.
//   - The report endpoint answers 204 whatever comes, bounds memory, time, records and
//     log lines, and hands on no nonce, query string or user name.
//
// Not guaranteed: it does not make markup safe that a handler writes without escaping;
// it makes most of what an attacker puts there not run. A policy protects the browser of
// a user, never the server. What net/http answers by itself, such as 400 to a malformed
// request, has no headers. A nonce that is first read after the first write is in the
// policy, but the response is not marked private for caches further out, whose header
// has left by then. See docs/SECURITY.md for each header and each preset.
//
// Cost: beyond the recorder that all layers share, a response whose policy has no nonce
// allocates nothing, and one with a nonce once. All values are made in New.
//
// # Defaults
//
//	field             default
//	Document          Document(), or Dev() in Development
//	API               API()
//	Static            Static()
//	HSTS              two years with subdomains, over TLS; none in Development
//	TrustedProxies    none
//	Reports.URL       none: no policy reports
//	Reports.Rate      100 reports a second, and 10 by address
//	Reports.Window    1 minute in which equal violations are handed on once
//	Reports.MaxBusy   64 requests at the same time
//	Isolation         refuses what pages of other sites ask for, but navigations
//	Logger            slog.Default()
//
// The headers of a document, by preset (CSP in short):
//
//	header                         Document            QuickStart             Dev
//	CSP scripts                    nonce               nonce                  nonce, eval
//	CSP styles                     self, nonce         self, inline           self, inline
//	CSP images, fonts              self                self, data:, https:    self, data:, blob:
//	CSP connections                self                self                   anywhere
//	CSP frame-ancestors            none                self                   self
//	CSP Trusted Types              required            reported               reported
//	X-Frame-Options                DENY                SAMEORIGIN             SAMEORIGIN
//	Cross-Origin-Opener-Policy     same-origin         same-origin, pop-ups   same-origin
//	Cross-Origin-Embedder-Policy   credentialless      reported               reported
//	Cross-Origin-Resource-Policy   same-origin         same-origin            same-origin
//	Origin-Agent-Cluster           ?1                  ?1                     ?1
//	Referrer-Policy                strict-origin-when-cross-origin, in all three
//	Permissions-Policy             27 powerful features denied, in all three
//	X-Content-Type-Options         nosniff, in all three
//	X-XSS-Protection               0, in all three
package secheaders
