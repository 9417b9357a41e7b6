package secheaders

import (
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/metrics"
	sluice "github.com/sluice-go/sluice/secheaders"
)

func openSluice() (layers, error) {
	constant, err := sluiceWith(constantPolicy, constantPolicy)
	if err != nil {
		return layers{}, err
	}
	nonced, err := sluiceWith(noncedPolicy, dataPolicy)
	return layers{constant, nonced, sluice.Nonce}, err
}

// sluiceWith has a policy for documents and one for JSON; all else is the same for both.
func sluiceWith(document, data string) (middleware, error) {
	headers := sluice.Document()
	headers.Embedder, headers.AgentCluster = sluice.Omit, sluice.Omit
	ofData := headers
	var err error
	if headers.CSP, err = sluice.ParsePolicy(strings.ReplaceAll(document, nonceMark, string(sluice.WithNonce))); err != nil {
		return nil, err
	}
	if ofData.CSP, err = sluice.ParsePolicy(data); err != nil {
		return nil, err
	}
	s, err := sluice.New(sluice.Options{Document: headers, API: ofData})
	if err != nil {
		return nil, err
	}
	return s.Middleware, nil
}

// stacked is h inside another layer of sluice, which does nothing but pay for what all
// layers share: the recorder, the carrier and the copy of the request.
func stacked(h http.Handler) http.Handler { return metrics.Router(h) }
