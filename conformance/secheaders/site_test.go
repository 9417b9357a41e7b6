package secheaders_test

import (
	"bytes"
	"context"
	"flag"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/conformance/internal/browser"
	"github.com/sluice-go/sluice/secheaders"
)

const (
	eventually = time.Minute // for what a busy machine does late
	reportPath = "/csp-reports"
)

var record = flag.String("record", "", "a folder to write reports to, as they came")

// startChromium starts one that trusts all servers of httptest, which share one
// certificate. It sends reports at once.
func startChromium(t *testing.T) *browser.Browser {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	return browser.Start(t, browser.Trust(srv.Certificate()), "--host-resolver-rules=MAP *.test 127.0.0.1", "--short-reporting-delay")
}

// site is a server over TLS with two hosts.
type site struct {
	pages    *http.ServeMux // of app.test, within Middleware
	bare     *http.ServeMux // of stranger.test, and of app.test below /bare/, without
	app      string         // origin
	stranger string         // origin

	policies   chan string     // that were sent with pages
	reports    chan wireReport // as they came to the report handler
	violations chan secheaders.Violation
}

// wireReport is a request with reports.
type wireReport struct {
	mediaType, body string
}

// newSite starts a server with these options. Each report counts: one that is dropped
// fails the test.
func newSite(t *testing.T, opts secheaders.Options) *site {
	t.Helper()
	s := &site{
		pages:      http.NewServeMux(),
		bare:       http.NewServeMux(),
		policies:   make(chan string, 1000),
		reports:    make(chan wireReport, 1000),
		violations: make(chan secheaders.Violation, 1000),
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Reports = secheaders.ReportOptions{
		URL:         reportPath,
		Rate:        -1,
		ClientRate:  -1,
		OnViolation: func(_ context.Context, v secheaders.Violation) { s.violations <- v },
		OnDrop:      func(reason string, records int) { t.Errorf("%d reports were dropped: %s", records, reason) },
	}
	sec, err := secheaders.New(opts)
	require.NoError(t, err)
	mux := http.NewServeMux()
	pages := sec.Middleware(s.pages)
	mux.HandleFunc("app.test/", func(w http.ResponseWriter, r *http.Request) {
		pages.ServeHTTP(w, r)
		s.policies <- w.Header().Get("Content-Security-Policy")
	})
	mux.Handle("app.test/bare/", s.bare)
	mux.Handle("app.test"+reportPath, s.noting(sec.ReportHandler()))
	mux.Handle("stranger.test/", s.bare)
	s.pages.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	port := srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	s.app, s.stranger = "https://app.test"+port, "https://stranger.test"+port
	return s
}

// noting notes what comes to h.
func (s *site) noting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			s.reports <- wireReport{r.Header.Get("Content-Type"), string(body)}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
}

// received are all requests with reports up to now.
func (s *site) received(t *testing.T) (all []wireReport) {
	t.Helper()
	for {
		select {
		case r := <-s.reports:
			all = append(all, r)
		default:
			s.record(t, all)
			return all
		}
	}
}

var port = regexp.MustCompile(`\.test:\d+`)

// record writes the first one to where it is asked to.
func (s *site) record(t *testing.T, reports []wireReport) {
	t.Helper()
	if *record == "" || len(reports) == 0 {
		return
	}
	name := strings.ToLower(strings.NewReplacer("_", "-").Replace(filepath.Base(t.Name()))) + ".json"
	body := port.ReplaceAllString(reports[0].body, ".test:8443")
	require.NoError(t, os.WriteFile(filepath.Join(*record, name), []byte(body), 0o600))
}

// violation waits for one.
func (s *site) violation(t *testing.T) secheaders.Violation {
	t.Helper()
	select {
	case v := <-s.violations:
		return v
	case <-time.After(eventually):
		require.FailNow(t, "no violation was reported", "%q", s.received(t))
		panic("not reached")
	}
}

// none fails if there is a violation that was not taken.
func (s *site) none(t *testing.T) {
	t.Helper()
	select {
	case v := <-s.violations:
		require.FailNow(t, "another violation was reported", "%+v", v)
	default:
	}
}

// page serves a template as a document. Its data is the nonce.
func (s *site) page(pattern, text string) {
	parsed := template.Must(template.New("").Parse("<!doctype html>\n" + text))
	s.pages.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = parsed.Execute(w, secheaders.Nonce(r.Context()))
	})
}

// file serves text of a type.
func file(mux *http.ServeMux, pattern, contentType, text string) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	})
}
