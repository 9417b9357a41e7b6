package main

import (
	"net/http"

	"github.com/sluice-go/sluice/secheaders"
)

// reportPath is where browsers report what a policy kept them from.
const reportPath = "/csp-reports"

// openSecurity makes the security headers. Production is strict and pinned to TLS;
// staging is as strict, but can still go back to plain HTTP; development works with
// tools that reload a page as one types.
func (s *server) openSecurity() (err error) {
	opts := secheaders.Options{
		Development:    s.cfg.env == development,
		TrustedProxies: s.cfg.proxies,
		Reports: secheaders.ReportOptions{
			URL:      reportPath,
			OnReport: s.metrics.ObserveCSPReport,
			OnDrop:   s.metrics.ObserveCSPDrop,
		},
		Isolation: secheaders.IsolationOptions{
			OnRefuse: func(_ *http.Request, cause string, _ bool) { s.metrics.ObserveError(cause, "isolation") },
		},
		Logger: s.logger,
	}
	base := secheaders.Document()
	if s.cfg.env == development {
		base = secheaders.Dev()
	}
	for _, url := range s.cfg.connect {
		opts.Document.CSP = base.CSP.With(secheaders.ConnectSrc(secheaders.Source(url)))
		base.CSP = opts.Document.CSP
	}
	if s.cfg.env == staging {
		opts.HSTS = secheaders.HSTS{MaxAge: -1}
	}
	for _, host := range s.cfg.origins {
		opts.Isolation.Origins = append(opts.Isolation.Origins, "https://"+host)
		if s.cfg.env == development {
			opts.Isolation.Origins = append(opts.Isolation.Origins, "http://"+host)
		}
	}
	s.security, err = secheaders.New(opts)
	return err
}
