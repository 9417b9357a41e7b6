package secheaders_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

// inbox is a report endpoint that remembers what it handed on.
type inbox struct {
	http.Handler
	log *reportLog

	mu         sync.Mutex
	violations []Violation
	reports    []string
	drops      map[string]int
}

// reportLog is a log that may be written and read at the same time.
type reportLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *reportLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *reportLog) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.b.String(), func(r rune) bool { return r == '\n' })
}

// newInbox adds to the hooks of o.
func newInbox(t testing.TB, o ReportOptions) *inbox {
	t.Helper()
	return newInboxBehind(t, nil, o)
}

// newInboxBehind trusts these proxies.
func newInboxBehind(t testing.TB, proxies []netip.Prefix, o ReportOptions) *inbox {
	t.Helper()
	in := &inbox{log: &reportLog{}, drops: map[string]int{}}
	onViolation, onDrop := o.OnViolation, o.OnDrop
	o.OnViolation = func(ctx context.Context, v Violation) {
		in.mu.Lock()
		in.violations = append(in.violations, v)
		in.mu.Unlock()
		if onViolation != nil {
			onViolation(ctx, v)
		}
	}
	o.OnReport = func(directive, disposition string) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.reports = append(in.reports, directive+" "+disposition)
	}
	o.OnDrop = func(reason string, n int) {
		in.mu.Lock()
		in.drops[reason] += n
		in.mu.Unlock()
		if onDrop != nil {
			onDrop(reason, n)
		}
	}
	logger := slog.New(slog.NewTextHandler(in.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	in.Handler = mustNew(t, Options{Reports: o, TrustedProxies: proxies, Logger: logger}).ReportHandler()
	return in
}

// got is what was handed on so far, and what was dropped.
func (in *inbox) got() ([]Violation, map[string]int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	drops := map[string]int{}
	for reason, n := range in.drops {
		drops[reason] = n
	}
	return append([]Violation(nil), in.violations...), drops
}

// reportOf is the request of a browser that reports.
func reportOf(contentType, body string) *http.Request {
	r := httptest.NewRequest("POST", "https://shop.example/csp-reports", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

// send answers one report, and insists on 204.
func (in *inbox) send(t testing.TB, r *http.Request) http.Header {
	t.Helper()
	w := httptest.NewRecorder()
	in.ServeHTTP(w, r)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Empty(t, w.Body.String())
	return w.Result().Header
}

const (
	cspReport   = "application/csp-report"
	reportsJSON = "application/reports+json"
)

// legacyReport is a report of a line of the page at path.
func legacyReport(path string, line int) string {
	return fmt.Sprintf(`{"csp-report":{"document-uri":"https://shop.example%s","effective-directive":"script-src-elem",`+
		`"disposition":"enforce","blocked-uri":"inline","source-file":"https://shop.example%s","line-number":%d}}`, path, path, line)
}

// batchOf has n different reports.
func batchOf(n int) string {
	type object = map[string]any
	batch := make([]object, n)
	for i := range batch {
		batch[i] = object{"age": 1, "type": "csp-violation", "url": "https://shop.example/", "user_agent": "x", "body": object{
			"documentURL": "https://shop.example/", "effectiveDirective": "img-src", "blockedURL": fmt.Sprintf("https://img.example/%d", i)}}
	}
	b, _ := json.Marshal(batch)
	return string(b)
}

func textLogger(l *reportLog) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func dial(t testing.TB, srv testutil.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// legacyOf is a report with these members.
func legacyOf(t testing.TB, members map[string]string) string {
	t.Helper()
	b, err := json.Marshal(map[string]map[string]string{"csp-report": members})
	require.NoError(t, err)
	return string(b)
}
