package secheaders

import "strings"

// isNoise tells of violations that no change of the page or its policy would end:
// those of extensions, of scripts that in-app browsers put into pages, and of pages
// under translation. There is no list of hosts: each may be one that a site uses,
// and an attacker's script would be reported from one. For the same reason what was
// blocked is not noise by its host, nor by its words where a page is its source: an
// attacker has the choice of both.
func isNoise(v *Violation) bool {
	return isNoisyURL(v.Blocked) || isNoisyURL(v.Source) || v.Source == "resource" || // Firefox's own loader
		isExtensionScheme(v.Document) || isTranslated(v.Document) || isTranslated(v.Source) ||
		isInApp(v.UserAgent) || v.Source == "" && isInjected(v.Sample)
}

// isExtensionScheme tells of schemes of browser extensions.
func isExtensionScheme(scheme string) bool {
	switch scheme {
	case "chrome-extension", "moz-extension", "safari-extension", "safari-web-extension", "ms-browser-extension":
		return true
	}
	return false
}

// isNoisyURL tells of schemes that pages cannot load from, as scrubbed URLs: the
// scheme alone.
func isNoisyURL(clean string) bool {
	switch clean {
	case "view-source", "about", "chromenull", "webviewprogress", "mxjscall", "gsa", "jar", "symres", "tmtbff", "nikkomsgchannel":
		return true
	}
	return isExtensionScheme(clean)
}

// isTranslated tells of pages that a proxy has rewritten.
func isTranslated(clean string) bool {
	host := hostOf(clean)
	return host == "translate.goog" || strings.HasSuffix(host, ".translate.goog")
}

// isInApp tells of browsers inside of apps that put scripts into each page.
func isInApp(agent string) bool {
	return strings.Contains(agent, "FB_IAB") || strings.Contains(agent, "Instagram ") || strings.Contains(agent, " Line/")
}

// isInjected tells of code that extensions put into pages in line.
func isInjected(sample string) bool {
	if sample == "" {
		return false
	}
	sample = strings.ToLower(sample)
	return strings.Contains(sample, "lastpass") || strings.Contains(sample, "devtools") || strings.Contains(sample, "adblock")
}
