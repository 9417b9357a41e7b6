package secheaders_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

// Trap d.28: "Answer 204 always, also when dropping".
func TestEveryReportIsAnsweredWith204(t *testing.T) {
	zipped := func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }
	tests := []struct {
		name, contentType, body string
		change                  func(*http.Request)
		drops                   map[string]int
	}{
		{"a good one", cspReport, legacyReport("/", 1), nil, map[string]int{}},
		{"with a parameter", "Application/CSP-Report ; charset=utf-8", legacyReport("/", 1), nil, map[string]int{}},
		{"as plain JSON", "application/json", legacyReport("/", 1), nil, map[string]int{}},
		{"with a coding that is none", cspReport, legacyReport("/", 1), func(r *http.Request) { r.Header.Set("Content-Encoding", "Identity") }, map[string]int{}},
		{"as text", "text/plain", legacyReport("/", 1), nil, map[string]int{DropMediaType: 1}},
		{"of a form", "application/x-www-form-urlencoded", "a=b", nil, map[string]int{DropMediaType: 1}},
		{"without a media type", "", legacyReport("/", 1), nil, map[string]int{DropMediaType: 1}},
		{"compressed", cspReport, "x", zipped, map[string]int{DropEncoding: 1}},
		{"announced as too long", reportsJSON, "[]", func(r *http.Request) { r.ContentLength = 256<<10 + 1 }, map[string]int{DropTooLarge: 1}},
		{"empty", cspReport, "", nil, map[string]int{DropMalformed: 1}},
		{"white space", cspReport, " \r\n\t", nil, map[string]int{DropMalformed: 1}},
		{"no JSON", cspReport, "hello", nil, map[string]int{DropMalformed: 1}},
		{"cut off", cspReport, legacyReport("/", 1)[:100], nil, map[string]int{DropMalformed: 1}},
		{"followed by something", cspReport, legacyReport("/", 1) + "{}", nil, map[string]int{DropMalformed: 1}},
		{"another kind of JSON", cspReport, `"csp-report"`, nil, map[string]int{DropMalformed: 1}},
		{"of no shape", cspReport, `{"document-uri":"https://shop.example/"}`, nil, map[string]int{DropMalformed: 1}},
		{"without a directive", cspReport, `{"csp-report":{"blocked-uri":"inline"}}`, nil, map[string]int{DropMalformed: 1}},
		{"with a directive that is none", cspReport, `{"csp-report":{"effective-directive":"<script>"}}`, nil, map[string]int{DropMalformed: 1}},
		{"with a directive that is too long", cspReport, `{"csp-report":{"effective-directive":"` + strings.Repeat("x", 65) + `"}}`, nil, map[string]int{DropMalformed: 1}},
		{"with a body that is none", reportsJSON, `[{"type":"csp-violation","body":"x"},{"type":"csp-violation","body":null},{"type":"csp-violation"}]`, nil, map[string]int{DropMalformed: 3}},
		{"an empty batch", reportsJSON, "[ ]", nil, map[string]int{DropMalformed: 1}},
		{"a batch of what is none", reportsJSON, `[1,null,"x",[],{}]`, nil, map[string]int{DropMalformed: 5}},
		{"of a type that tells of no violation", reportsJSON, `[{"type":"crash","body":{"reason":"oom"}},{"type":"x","body":{}}]`, nil, map[string]int{DropType: 2}},
		{"too deep", cspReport, `{"csp-report":{"effective-directive":"img-src","x":[[[[[[[]]]]]]]}}`, nil, map[string]int{DropMalformed: 1}},
		{"deep enough to end a parser", cspReport, strings.Repeat("[", 10000), nil, map[string]int{DropMalformed: 1}},
		{"just deep enough", cspReport, `{"csp-report":{"effective-directive":"img-src","x":[[[[[[]]]]]]}}`, nil, map[string]int{}},
		{"one that is too long", cspReport, `{"csp-report":{"effective-directive":"img-src","x":"` + strings.Repeat("x", 16<<10) + `"}}`, nil, map[string]int{DropTooLarge: 1}},
		{"one that is too long in a batch", reportsJSON, `[{"x":"` + strings.Repeat("x", 16<<10) + `"},` + batchOf(1)[1:], nil, map[string]int{DropTooLarge: 1}},
		{"a batch that is too long", reportsJSON, "[" + strings.Repeat(" ", 256<<10), func(r *http.Request) { r.ContentLength = -1 }, map[string]int{DropTooLarge: 1}},
		{"not as long as announced", cspReport, "", func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{})) }, map[string]int{DropBroken: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := newInbox(t, ReportOptions{})
			r := reportOf(tt.contentType, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			in.send(t, r)
			violations, drops := in.got()
			require.Equal(t, tt.drops, drops)
			if len(drops) == 0 {
				require.Len(t, violations, 1)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Trap d.28: "405 other methods".
func TestOtherMethodsAreRefused(t *testing.T) {
	in := newInbox(t, ReportOptions{})
	testutil.BothProtocols(t, in, func(t *testing.T, srv testutil.Server) {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "post"} {
			req, err := http.NewRequestWithContext(t.Context(), method, srv.URL, nil)
			require.NoError(t, err)
			res, err := srv.Client().Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode, method)
			require.Equal(t, "OPTIONS, POST", res.Header.Get("Allow"), method)
			require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), method)
			require.Equal(t, method == "HEAD", len(body) == 0, method)
		}
	})
	violations, drops := in.got()
	require.Empty(t, violations)
	require.Empty(t, drops)
}

// Trap d.28: OPTIONS 204 with the fields of CORS; and the Reporting API sends with
// CORS, so that the report itself needs the permission too.
func TestPagesOfOtherOriginsMaySend(t *testing.T) {
	tests := []struct {
		name    string
		origins []string
		origin  string
		allowed []string
	}{
		{"anybody by default", nil, "https://other.example", []string{"*"}},
		{"WebKit, which says null", nil, "null", []string{"*"}},
		{"one of the list", []string{"https://a.example", "https://b.example"}, "https://b.example", []string{"https://b.example"}},
		{"none of the list", []string{"https://a.example"}, "https://b.example", nil},
		{"not by a prefix", []string{"https://a.example"}, "https://a.example.evil.example", nil},
		{"nobody of an empty list", []string{}, "https://a.example", nil},
		{"no origin", []string{"https://a.example"}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := newInbox(t, ReportOptions{Origins: tt.origins})
			for _, method := range []string{"OPTIONS", "POST"} {
				r := reportOf(reportsJSON, batchOf(1))
				r.Method = method
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				r.Header.Set("Access-Control-Request-Method", "POST")
				r.Header.Set("Access-Control-Request-Headers", "content-type")
				h := in.send(t, r)
				require.Equal(t, tt.allowed, h["Access-Control-Allow-Origin"], method)
				require.Empty(t, h["Access-Control-Allow-Credentials"])
				if tt.origins != nil {
					require.Equal(t, []string{"Origin"}, h["Vary"], method)
				}
				if method == "OPTIONS" {
					require.Equal(t, "POST", h.Get("Access-Control-Allow-Methods"))
					require.Equal(t, "content-type", h.Get("Access-Control-Allow-Headers"))
				}
			}
		})
	}
}

func TestDocumentsOfOtherOriginsAreDropped(t *testing.T) {
	tests := []struct {
		document string
		kept     bool
	}{
		{"https://shop.example/cart", true}, // the host that it is sent to
		{"https://SHOP.example", true},
		{"https://app.example/x", true},
		{"https://app.example", true},
		{"https://app.example:8443/x", false},
		{"http://app.example/x", false},
		{"https://app.example.evil.example/", false},
		{"https://app.example@evil.example/", false},
		{"https://evil.example/#https://app.example/", false},
		{"about:srcdoc", true},
		{"", true},
	}
	for _, tt := range tests {
		t.Run(tt.document, func(t *testing.T) {
			in := newInbox(t, ReportOptions{Origins: []string{"https://app.example"}})
			in.send(t, reportOf(cspReport, `{"csp-report":{"effective-directive":"img-src","document-uri":"`+tt.document+`"}}`))
			violations, drops := in.got()
			require.Equal(t, tt.kept, len(violations) == 1)
			require.Equal(t, !tt.kept, drops[DropOrigin] == 1)
		})
	}
}

// Trap d.28: "Same-origin reports carry cookies: never act on them, never log them".
func TestCookiesAndCredentialsAreNeitherUsedNorLogged(t *testing.T) {
	in := newInbox(t, ReportOptions{})
	r := reportOf(cspReport, legacyReport("/", 1))
	r.Header.Set("Cookie", "session=SECRET")
	r.Header.Set("Authorization", "Bearer SECRET")
	r.Header.Set("X-Forwarded-For", "SECRET")
	h := in.send(t, r)
	require.Empty(t, h["Set-Cookie"])
	violations, _ := in.got()
	require.Len(t, violations, 1)
	require.NotContains(t, fmt.Sprintf("%+v", violations[0]), "SECRET")
	require.Len(t, in.log.lines(), 1)
	require.NotContains(t, in.log.lines()[0], "SECRET")
}

// "Write 204 before processing": the browser does not wait for hooks, and what it
// does then does not end their context.
func TestTheAnswerDoesNotWaitForHooks(t *testing.T) {
	release, ended := make(chan struct{}), make(chan error, 1)
	cancels := make(chan context.CancelFunc, 1)
	type key struct{}
	in := newInbox(t, ReportOptions{OnViolation: func(ctx context.Context, _ Violation) {
		<-release
		if ctx.Value(key{}) != "value" {
			ended <- errors.New("the values of the request are lost")
		}
		ended <- ctx.Err()
	}})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, "value"))
		cancels <- cancel
		in.ServeHTTP(w, r.WithContext(ctx))
	})
	srv := testutil.Start(t, h)
	res, err := srv.Client().Post(srv.URL, cspReport, strings.NewReader(legacyReport("/", 1)))
	require.NoError(t, err, "the hook still waits")
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	res.Body.Close()
	(<-cancels)() // as when the browser has closed the connection
	close(release)
	require.NoError(t, <-ended)
}

func TestAHookThatPanicsLosesNoOtherReport(t *testing.T) {
	for _, hook := range []string{"OnViolation", "OnReport", "OnDrop", "Ignore"} {
		t.Run(hook, func(t *testing.T) {
			var seen, reports, drops int
			fail := func(name string) {
				if name == hook {
					panic("broken\nhook")
				}
			}
			log := &reportLog{}
			sec := mustNew(t, Options{Logger: textLogger(log), Reports: ReportOptions{
				OnViolation: func(context.Context, Violation) { seen++; fail("OnViolation") },
				OnReport:    func(string, string) { reports++; fail("OnReport") },
				OnDrop:      func(string, int) { drops++; fail("OnDrop") },
				Ignore:      func(Violation) bool { fail("Ignore"); return false },
			}})
			body := batchOf(3)
			body = body[:len(body)-1] + `,1,{"type":"x","body":{}}]`
			for range 2 { // the second time nothing is new
				w := httptest.NewRecorder()
				require.NotPanics(t, func() { sec.ReportHandler().ServeHTTP(w, reportOf(reportsJSON, body)) })
				require.Equal(t, http.StatusNoContent, w.Code)
			}
			require.Equal(t, []int{3, 6, 4}, []int{seen, reports, drops})
			told := 0
			for _, line := range log.lines() {
				if strings.Contains(line, "a hook panicked") {
					told++
					require.Contains(t, line, "hook="+hook)
					require.Contains(t, line, `panic="broken hook"`)
					require.Contains(t, line, "report_test.go", "where it was")
				}
			}
			require.Equal(t, 1, told, "one line in a while")
		})
	}
}

// A client that takes back its request, or that sends rubbish after it, is served as
// any other: the places are free again after each request.
func TestPlacesAreFreeAgain(t *testing.T) {
	in := newInbox(t, ReportOptions{MaxBusy: 1, Rate: -1, ClientRate: -1, Window: -1})
	for i := range 20 {
		r := reportOf(cspReport, legacyReport("/", 1))
		if i%2 == 0 {
			r.Body = io.NopCloser(brokenReader{})
		}
		in.send(t, r)
	}
	violations, drops := in.got()
	require.Len(t, violations, 10)
	require.Equal(t, map[string]int{DropBroken: 10}, drops)
}

// "Declared longer: dropped without reading", and the connection is closed.
func TestALongBodyIsNotRead(t *testing.T) {
	in := newInbox(t, ReportOptions{})
	srv := testutil.Start(t, in)
	conn := dial(t, srv)
	_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/csp-report\r\nContent-Length: 1000000000\r\n\r\n")
	require.NoError(t, err)
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil) // with none of the body sent
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.True(t, res.Close)
	_, err = br.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestReportsArriveOverBothProtocols(t *testing.T) {
	bodies := []struct {
		body string
		drop string
	}{
		{legacyReport("/", 1), ""},
		{batchOf(100), ""},
		{batchOf(5000), DropTooLarge},
		{`{"x":"` + strings.Repeat("x", 20<<10) + `"}`, DropTooLarge},
	}
	var in *inbox
	testutil.BothProtocols(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { in.ServeHTTP(w, r) }), func(t *testing.T, srv testutil.Server) {
		for _, declared := range []bool{true, false} {
			for _, tt := range bodies {
				done := make(chan struct{})
				in = newInbox(t, ReportOptions{Rate: -1, ClientRate: -1})
				inner := in.Handler
				in.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					inner.ServeHTTP(w, r)
				})
				var body io.Reader = strings.NewReader(tt.body)
				if !declared {
					body = io.MultiReader(body) // which has no length
				}
				req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL, body)
				require.NoError(t, err)
				req.Header.Set("Content-Type", reportsJSON)
				res, err := srv.Client().Do(req)
				<-done
				if err == nil { // the server may stop listening to what is too long
					require.Equal(t, http.StatusNoContent, res.StatusCode)
					require.Equal(t, srv.Proto, res.Proto)
					res.Body.Close()
				}
				violations, drops := in.got()
				if tt.drop != "" {
					require.Equal(t, map[string]int{tt.drop: 1}, drops)
					continue
				}
				require.NoError(t, err)
				require.NotEmpty(t, violations)
				require.Empty(t, drops)
			}
		}
	})
}
