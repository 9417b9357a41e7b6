package secheaders_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	. "github.com/sluice-go/sluice/secheaders"
)

// Sheet (c): "limits counted per request while one batch logged 16 records".
// Trap d.30.
func TestTheRateIsChargedForEveryRecord(t *testing.T) {
	for _, tt := range []struct {
		size, kept int
		drops      map[string]int
	}{
		{1, 1, map[string]int{}},
		{100, 100, map[string]int{}},
		{101, 100, map[string]int{DropTooMany: 1}},
		{1000, 100, map[string]int{DropTooMany: 900}},
	} {
		in := newInbox(t, ReportOptions{})
		in.send(t, reportOf(reportsJSON, batchOf(tt.size)))
		violations, drops := in.got()
		require.Len(t, violations, tt.kept)
		require.Equal(t, tt.drops, drops)
	}
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Window: -1, Rate: -1})
		in.send(t, reportOf(reportsJSON, batchOf(60)))
		in.send(t, reportOf(reportsJSON, batchOf(60)))
		violations, drops := in.got()
		require.Len(t, violations, 100, "the second batch is cut")
		require.Equal(t, map[string]int{DropRate: 20}, drops)
		in.send(t, reportOf(reportsJSON, batchOf(60)))
		_, drops = in.got()
		require.Equal(t, map[string]int{DropRate: 21}, drops, "nobody knows how many were in what was not read")
		time.Sleep(1500 * time.Millisecond)
		in.send(t, reportOf(reportsJSON, batchOf(60)))
		violations, drops = in.got()
		require.Len(t, violations, 115, "ten in a second")
		require.Equal(t, map[string]int{DropRate: 66}, drops)
		time.Sleep(time.Hour)
		in.send(t, reportOf(reportsJSON, batchOf(100)))
		violations, _ = in.got()
		require.Len(t, violations, 215, "a full batch passes after a pause, and no more are saved up")
		in.send(t, reportOf(cspReport, legacyReport("/", 1)))
		_, drops = in.got()
		require.Equal(t, map[string]int{DropRate: 67}, drops)
	})
}

func TestWhatIsNoReportIsChargedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{})
		for range 150 {
			in.send(t, reportOf(cspReport, "rubbish"))
		}
		_, drops := in.got()
		require.Equal(t, map[string]int{DropMalformed: 100, DropRate: 50}, drops)
	})
}

func TestEachClientHasARateOfItsOwn(t *testing.T) {
	from := func(addr string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request { r.RemoteAddr = addr; return r }
	}
	behind := func(addr string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request {
			var seen *http.Request
			e := reqinfo.Enter(httptest.NewRecorder(), r)
			defer e.Leave()
			reqinfo.From(e.R.Context()).SetClientIP(netip.MustParseAddr(addr))
			e.Next(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
			seen.RemoteAddr = "192.0.2.1:1" // the proxy
			return seen
		}
	}
	tests := []struct {
		name       string
		one, other func(*http.Request) *http.Request
		same       bool
	}{
		{"two ports of one address", from("192.0.2.1:1"), from("192.0.2.1:2"), true},
		{"two addresses", from("192.0.2.1:1"), from("192.0.2.2:1"), false},
		{"one /64", from("[2001:db8::1]:1"), from("[2001:db8::ffff:1:2:3]:1"), true},
		{"two /64", from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"), false},
		{"IPv4 in IPv6", from("192.0.2.1:1"), from("[::ffff:192.0.2.1]:1"), true},
		{"two of IPv4 in IPv6", from("[::ffff:192.0.2.2]:1"), from("[::ffff:192.0.2.1]:1"), false},
		{"zones", from("[fe80::1%a]:1"), from("[fe80::1%b]:1"), true},
		{"no address", from("@"), from(""), true},
		{"two clients of a proxy", behind("198.51.100.1"), behind("198.51.100.2"), false},
		{"one client of a proxy", behind("198.51.100.1"), from("198.51.100.1:1"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := newInbox(t, ReportOptions{Rate: -1, Window: -1})
				in.send(t, tt.one(reportOf(reportsJSON, batchOf(100))))
				in.send(t, tt.other(reportOf(reportsJSON, batchOf(100))))
				violations, drops := in.got()
				if tt.same {
					require.Len(t, violations, 100)
					require.Equal(t, map[string]int{DropRate: 1}, drops)
					return
				}
				require.Len(t, violations, 200)
				require.Empty(t, drops)
			})
		})
	}
}

// Clients with many addresses share what there is for all, and one that has used up
// its own takes nothing from the others.
func TestAllClientsTogetherHaveARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Window: -1, Rate: 200})
		for client := range 50 {
			r := reportOf(reportsJSON, batchOf(10))
			r.RemoteAddr = fmt.Sprintf("10.0.0.%d:1", client)
			in.send(t, r)
		}
		violations, drops := in.got()
		require.Len(t, violations, 400)
		require.Equal(t, map[string]int{DropRate: 10}, drops)
	})
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Window: -1, Rate: 200})
		for range 1000 {
			in.send(t, reportOf(cspReport, legacyReport("/", 1)))
		}
		r := reportOf(reportsJSON, batchOf(100))
		r.RemoteAddr = "10.0.0.1:1"
		in.send(t, r)
		violations, _ := in.got()
		require.Len(t, violations, 200)
	})
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Window: -1})
		for client := range 5 {
			r := reportOf(reportsJSON, batchOf(100))
			r.RemoteAddr = fmt.Sprintf("10.0.0.%d:1", client)
			in.send(t, r)
		}
		violations, drops := in.got()
		require.Len(t, violations, 400, "a full batch does not silence the others")
		require.Equal(t, map[string]int{DropRate: 1}, drops)
		time.Sleep(time.Second)
		in.send(t, reportOf(reportsJSON, batchOf(100)))
		violations, _ = in.got()
		require.Len(t, violations, 500, "the rate is what it was")
	})
}

// "OnViolation is told of each violation that is new".
func TestEqualViolationsAreHandedOnOnceInAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{})
		for range 5 {
			in.send(t, reportOf(cspReport, legacyReport("/", 1)))
		}
		in.send(t, reportOf(cspReport, legacyReport("/", 2)))
		time.Sleep(time.Minute - 1)
		in.send(t, reportOf(cspReport, legacyReport("/", 1)))
		violations, _ := in.got()
		require.Len(t, violations, 2)
		time.Sleep(time.Nanosecond)
		in.send(t, reportOf(cspReport, legacyReport("/", 1)))
		in.send(t, reportOf(cspReport, legacyReport("/", 2)))
		violations, drops := in.got()
		require.Len(t, violations, 4)
		require.Equal(t, []int{0, 0, 5, 0}, []int{violations[0].Repeats, violations[1].Repeats, violations[2].Repeats, violations[3].Repeats})
		require.Len(t, in.reports, 9, "each is counted")
		require.Empty(t, drops)
	})
}

// Trap d.26: "Columns differ between engines: keep them out of dedup keys"; d.27: two
// policies make two reports.
func TestWhatMakesViolationsEqual(t *testing.T) {
	base := map[string]string{"effective-directive": "img-src", "disposition": "enforce", "document-uri": "https://a.example/",
		"blocked-uri": "https://b.example/x", "source-file": "https://a.example/y.js", "line-number": "3", "column-number": "4", "script-sample": "s"}
	for member, tt := range map[string]struct {
		value string
		equal bool
	}{
		"column-number":       {"5", true},
		"script-sample":       {"t", true},
		"referrer":            {"https://c.example/", true},
		"original-policy":     {"img-src 'none'", true},
		"blocked-uri":         {"https://b.example/x?token=1", true},
		"source-file":         {"https://a.example/y.js#z", true},
		"effective-directive": {"font-src", false},
		"disposition":         {"report", false},
		"document-uri":        {"https://a.example/2", false},
		"line-number":         {"4", false},
	} {
		in := newInbox(t, ReportOptions{})
		in.send(t, reportOf(cspReport, legacyOf(t, base)))
		changed := map[string]string{}
		for k, v := range base {
			changed[k] = v
		}
		changed[member] = tt.value
		in.send(t, reportOf(cspReport, legacyOf(t, changed)))
		violations, _ := in.got()
		require.Equal(t, tt.equal, len(violations) == 1, member)
	}
}

func TestANegativeWindowHandsOnEach(t *testing.T) {
	in := newInbox(t, ReportOptions{Window: -1})
	for range 3 {
		in.send(t, reportOf(cspReport, legacyReport("/", 1)))
	}
	violations, _ := in.got()
	require.Len(t, violations, 3)
}

// "One line per new violation, bounded in total", and what was left out is told.
func TestTheLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Rate: -1, ClientRate: -1})
		for second := range 10 {
			for i := range 100 {
				in.send(t, reportOf(cspReport, legacyReport(fmt.Sprint("/", second), i)))
			}
			time.Sleep(time.Second)
		}
		require.Len(t, in.log.lines(), 10)
		for _, line := range in.log.lines() {
			require.Contains(t, line, "level=WARN")
			require.NotContains(t, line, "left_out")
		}
		in.send(t, reportOf(cspReport, strings.Replace(legacyReport("/x", 1), "enforce", "report", 1)))
		in.send(t, reportOf(cspReport, legacyReport("/x", 2)))
		lines := in.log.lines()
		require.Len(t, lines, 12)
		require.Contains(t, lines[10], "left_out=990")
		require.Contains(t, lines[10], "level=INFO", "nothing was blocked")
		require.NotContains(t, lines[11], "left_out")
	})
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{})
		for range 2 {
			for range 50 {
				in.send(t, reportOf("text/html", "x"))
				in.send(t, reportOf(cspReport, `{"csp-report":{"effective-directive":"img-src","blocked-uri":"about"}}`))
			}
			time.Sleep(10 * time.Second)
		}
		in.send(t, reportOf("text/html", "x"))
		var told []string
		for _, line := range in.log.lines() {
			_, line, _ = strings.Cut(line, " level=")
			told = append(told, strings.Replace(line, ` msg="secheaders: reports of browsers were dropped"`, "", 1))
		}
		require.Equal(t, []string{"WARN reason=media_type records=1", "DEBUG reason=noise records=1",
			"WARN reason=media_type records=50", "DEBUG reason=noise records=50", "WARN reason=media_type records=50"}, told)
	})
}

func TestNoLineCanBeForged(t *testing.T) {
	in := newInbox(t, ReportOptions{})
	forged := "\\n2026-01-01 level=ERROR msg=\\\"forged\\\"\\u0085\\u2028\\u001b[31m"
	in.send(t, reportOf(cspReport, `{"csp-report":{"effective-directive":"img-src","document-uri":"https://a.example/`+forged+
		`","blocked-uri":"https://b.example/`+forged+`","source-file":"https://b.example/`+forged+`","script-sample":"`+forged+`"}}`))
	require.Len(t, in.log.lines(), 1)
	for _, r := range in.log.lines()[0] {
		require.False(t, r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028', "%q", in.log.lines()[0])
	}
}

func TestFaultsOfReportOptionsAreToldTogether(t *testing.T) {
	_, err := New(Options{Reports: ReportOptions{Rate: 2e6, ClientRate: 2e6, MaxBusy: -1,
		Origins: []string{"*", "https://a.example/", "https://A.example", "https://a.example:443", "ftp://a.example", "null", "https://ok.example", "https://ok.example"}}})
	require.Error(t, err)
	for _, fault := range []string{"Reports.Rate: 2000000", "Reports.ClientRate: 2000000", "Reports.MaxBusy: -1", `Origins: "*"`, `Origins: "https://a.example/"`,
		`Origins: "https://A.example"`, `Origins: "https://a.example:443"`, `Origins: "ftp://a.example"`, `Origins: "null"`, `"https://ok.example" is listed twice`} {
		require.ErrorContains(t, err, fault)
	}
	_, err = New(Options{Reports: ReportOptions{Rate: -1, ClientRate: -1, Window: -1, Origins: []string{"http://localhost:8080", "https://[::1]:8443"}}})
	require.NoError(t, err)
}

// Options are the caller's: what he does with them later changes nothing.
func TestOriginsAreCopied(t *testing.T) {
	origins := []string{"https://a.example"}
	in := newInbox(t, ReportOptions{Origins: origins})
	origins[0] = "https://b.example"
	r := reportOf(reportsJSON, batchOf(1))
	r.Header.Set("Origin", "https://a.example")
	require.Equal(t, "https://a.example", in.send(t, r).Get("Access-Control-Allow-Origin"))
}

// Hooks are called outside of locks: one may cause further reports.
func TestAHookMaySendReports(t *testing.T) {
	var in *inbox
	in = newInbox(t, ReportOptions{
		OnViolation: func(_ context.Context, v Violation) {
			if v.Line < 5 {
				in.send(t, reportOf(cspReport, legacyReport("/", v.Line+1)))
			}
		},
		OnDrop: func(reason string, _ int) {
			if reason == DropMediaType {
				in.send(t, reportOf(cspReport, "x"))
			}
		},
	})
	in.send(t, reportOf(cspReport, legacyReport("/", 1)))
	in.send(t, reportOf("text/html", "x"))
	violations, drops := in.got()
	require.Len(t, violations, 5)
	require.Equal(t, map[string]int{DropMediaType: 1, DropMalformed: 1}, drops)
}
