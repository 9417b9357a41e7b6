package secheaders

import "net/http"

// SiteData is a kind of data that a browser keeps for a site. It is no string, so that
// nothing but these values can get into the header.
type SiteData uint8

const (
	// ClearCache is the HTTP cache of the origin, with pages that were fetched ahead and
	// such as "back" would show. Chromium goes through its whole cache, which may take
	// seconds, and waits with the page until it is done.
	ClearCache SiteData = iota + 1
	// ClearCookies are the cookies of the whole registrable domain, subdomains and
	// siblings included, and what the browser knows for HTTP authentication.
	ClearCookies
	// ClearStorage is what scripts store for the origin: localStorage, sessionStorage,
	// IndexedDB and the like, and service workers.
	ClearStorage
	// ClearExecutionContexts reloads the open pages of the origin. Most browsers ignore
	// it.
	ClearExecutionContexts
	// ClearPrefetchCache are pages that the origin had fetched ahead. Chromium only;
	// ClearCache includes it.
	ClearPrefetchCache
	// ClearPrerenderCache are pages that the origin had rendered ahead. Chromium only;
	// ClearCache includes it.
	ClearPrerenderCache
	// ClearAll is all of these, and what later browsers have.
	ClearAll
)

// quoted is the value in the header, which has the quotes (Clear Site Data §3.1).
func (d SiteData) quoted() string {
	switch d {
	case ClearCache:
		return `"cache"`
	case ClearCookies:
		return `"cookies"`
	case ClearStorage:
		return `"storage"`
	case ClearExecutionContexts:
		return `"executionContexts"`
	case ClearPrefetchCache:
		return `"prefetchCache"`
	case ClearPrerenderCache:
		return `"prerenderCache"`
	case ClearAll:
		return `"*"`
	default:
		return ""
	}
}

// ClearSiteData makes the browser forget data of the site, by Clear-Site-Data in this
// response. It is for the route that logs a user out, and takes away what the user has
// left on a shared computer:
//
//	func logout(w http.ResponseWriter, r *http.Request) {
//		sessions.End(r)
//		secheaders.ClearSiteData(w)
//		http.Redirect(w, r, "/", http.StatusSeeOther)
//	}
//
// Without data it is cache, cookies and storage; a value that is none of the constants
// is as if it was not there. Call it before the header is sent. It replaces what an
// earlier call asked for.
//
// Browsers listen over TLS only. Do not send it with every response: each would empty
// the cache. It is no substitute for ending the session on the server, as a stolen
// cookie does not forget, and neither does a client that is no browser. Cookies that
// the same response sets may be lost. Other tabs stay open: they show what they show,
// and their next request has no session.
func ClearSiteData(w http.ResponseWriter, data ...SiteData) {
	w.Header().Set("Clear-Site-Data", siteDataValue(data))
}

func siteDataValue(data []SiteData) string {
	value, seen := "", [ClearAll + 1]bool{}
	for _, d := range data {
		switch {
		case d == ClearAll:
			return d.quoted()
		case d.quoted() == "" || seen[d]:
			continue
		case value != "":
			value += ", "
		}
		seen[d] = true
		value += d.quoted()
	}
	if value == "" {
		return `"cache", "cookies", "storage"`
	}
	return value
}
