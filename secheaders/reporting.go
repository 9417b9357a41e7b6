package secheaders

import "github.com/sluice-go/sluice/internal/httpheader"

// reportingEndpoints is Reporting-Endpoints (Reporting §3.2), a dictionary of strings.
// Names are keys there; a key is a token, too, as other headers want it.
func reportingEndpoints(name, url string) string {
	return serialised(httpheader.SFDictionary(httpheader.SFItemMember(name, httpheader.SFString(url))))
}
