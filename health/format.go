package health

import (
	"net/http"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// format is a form that an answer can have.
type format struct {
	contentType []string
	match       func(main, sub string) int
	render      func(*standing, view) []byte
}

// formats are in the order of our preference; the first one is for whoever has
// none, and for whoever wants none of them: a probe must not fail over that.
var formats = [...]format{
	{[]string{"application/json"}, mediaType("application", "json"), renderJSON},
	{[]string{"application/health+json"}, mediaType("application", "health+json"), renderHealthJSON},
	{[]string{"text/plain; charset=utf-8"}, mediaType("text", "plain"), renderText},
}

const (
	formatJSON = 0
	formatText = 2
)

func mediaType(main, sub string) func(main, sub string) int {
	return func(rangeMain, rangeSub string) int { return httpheader.Specificity(rangeMain, rangeSub, main, sub) }
}

// negotiate picks a format by the weights of an Accept field (RFC 9110 §12.5.1).
func negotiate(r *http.Request) int {
	accept := r.Header["Accept"]
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == "application/json") {
		return formatJSON // probes and most clients
	}
	best, chosen := 0, formatJSON
	for i, f := range formats {
		if q := httpheader.AcceptWeight(accept, f.match); q > best {
			best, chosen = q, i
		}
	}
	return chosen
}
