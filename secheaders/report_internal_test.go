package secheaders

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Sheet (d) 26: "a full URL with its query string (tokens!)".
func TestScrubbedURLsHaveNoSecrets(t *testing.T) {
	for _, tt := range []struct{ raw, clean, scheme string }{
		{"https://a.example/b/c.js?d=e#f", "https://a.example/b/c.js", "https"},
		{"https://a.example?d", "https://a.example", "https"},
		{"https://a.example#d?e", "https://a.example", "https"},
		{"HTTPS://A.Example/B", "https://a.example/B", "https"},
		{"https://user:pw@a.example:8443/b", "https://a.example:8443/b", "https"},
		{"https://user:p@w@a.example/b@c", "https://a.example/b@c", "https"},
		{"https://a.example\\@evil.example/x", "https://a.example", "https"},
		{"https://user:pw\\@evil.example/x", "https://user:pw", "https"}, // as browsers read it
		{"https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x", "https"},
		{"wss://a.example/x?key=1", "wss://a.example/x", "wss"},
		{"https:user@a.example", "https", "https"},
		{"https:/user@a.example", "https", "https"},
		{"https://", "https", "https"},
		{"https:///path", "https", "https"},
		{"https://a b.example/x", "https", "https"},
		{"https://a.example/é\n", "https://a.example/é ", "https"},
		{"data:text/html,<b>", "data", "data"},
		{"blob:https://a.example/0f", "blob", "blob"},
		{"file:///home/user/x.html", "file", "file"},
		{"chrome-extension://abc/x.js", "chrome-extension", "chrome-extension"},
		{"javascript:alert(1)", "javascript", "javascript"},
		{"about:srcdoc", "about", "about"},
		{"about", "about", "about"},
		{"inline", "inline", "inline"},
		{"", "", ""},
		{"/cart?session=1", "", ""},
		{"a.example/x?y", "", ""},
		{"user@a.example", "", ""},
		{" https://a.example/", "", ""},
		{"1https://a.example/", "", ""},
		{":", "", ""},
		{"https://a.example/" + strings.Repeat("x", 2000) + "?y", "https://a.example/" + strings.Repeat("x", maxReportField-18), "https"},
	} {
		clean, scheme := scrubURL(tt.raw)
		require.Equal(t, tt.clean, clean, tt.raw)
		require.Equal(t, tt.scheme, scheme, tt.raw)
	}
}

// Trap d.14: "Scrub 'nonce-…' from originalPolicy".
func TestScrubbedTextHasNoNonces(t *testing.T) {
	for raw, want := range map[string]string{
		"script-src 'nonce-abc+/=_-' 'self'":  "script-src 'nonce-*' 'self'",
		"'NONCE-abc' 'Nonce-def'":             "'NONCE-*' 'Nonce-*'",
		"'nonce-abc":                          "'nonce-*",
		"nonce-abc":                           "nonce-*",
		"'nonce-'":                            "'nonce-'",
		"'nonce-*'":                           "'nonce-*'",
		"'nonce-nonce-abc'":                   "'nonce-*'",
		"'nonce-a';script-src 'nonce-b'":      "'nonce-*';script-src 'nonce-*'",
		"script-src 'self'":                   "script-src 'self'",
		`<script nonce="abc">x</script>`:      `<script nonce="*">x</script>`,
		`<script nonce = 'abc' src=x>`:        `<script nonce = '*' src=x>`,
		`<script NONCE=abc>`:                  `<script NONCE=*>`,
		`<script nonce=\"abc\">`:              `<script nonce=\"*">`,
		"announce this":                       "announce this",
		"nonce":                               "nonce",
		"nonce=":                              "nonce=",
		"nonce \t\n":                          "nonce \t\n",
		"un nonce inconnu":                    "un nonce inconnu",
		strings.Repeat("'nonce-", 3) + "abc'": "'nonce-'nonce-'nonce-*'",
	} {
		require.Equal(t, want, scrubNonces(raw, inCode), raw)
		require.Equal(t, want, scrubNonces(want, inCode), "scrubbing is done once: %s", raw)
	}
	// The cut comes after, or else half a nonce is left.
	policy := strings.Repeat("x", maxReportField-4) + " 'nonce-SECRET'"
	require.NotContains(t, cleanText(policy, maxReportField), "S")
	require.Equal(t, "<b nonce=*>"+strings.Repeat("x ", 14)+"x", cleanSample("<b nonce="+strings.Repeat("S", 100)+">"+strings.Repeat("x ", 100)))
}

func TestWhatIsKeptDoesNotKeepTheRest(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", 16<<10), strings.Repeat("é", 16<<10), strings.Repeat("\xff", 16<<10), strings.Repeat("\u202e", 9000)} {
		for _, limit := range []int{1, 2, 3, 4, maxReportAgent, maxReportField} {
			clean := cleanText(s, limit)
			require.LessOrEqual(t, len(clean), limit)
			require.True(t, utf8.ValidString(clean))
		}
	}
	require.Equal(t, 40, utf8.RuneCountInString(cleanSample(strings.Repeat("é", 41))))
}

func TestSplittingABody(t *testing.T) {
	for body, want := range map[string][]string{
		"":                         nil,
		" ":                        nil,
		`{"a":1}`:                  {`{"a":1}`},
		` {"a":[1,2]} `:            {`{"a":[1,2]}`},
		"[]":                       nil,
		" [ , ] x":                 nil,
		"[1,2]":                    {"1", "2"},
		"[ {\"a\":\"],[\"} ,\n{}]": {`{"a":"],["}`, "{}"},
		`["\"],",2]`:               {`"\"],"`, "2"},
		`[[1,[2]],3`:               {"[1,[2]]", "3"},
		`[{},{"a":"`:               {"{}", `{"a":"`},
		`["\`:                      {`"\`},
		`[},{}]`:                   {"}", "{}"},
		`["a]`:                     {`"a]`},
	} {
		var got []string
		split := splitRecords([]byte(body))
		n := split.count()
		for record, _, ok := split.next(); ok; record, _, ok = split.next() {
			got = append(got, string(record))
		}
		require.Equal(t, want, got, body)
		require.Equal(t, n, len(got), body)
	}
}

// The reader of records against encoding/json, which knows what JSON is.
func TestSplittingFindsTheElementsOfAnyArray(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var value func(depth int) any
	value = func(depth int) any {
		switch n := rnd.IntN(6); {
		case n == 0 && depth > 0:
			return map[string]any{"}],[{": value(depth - 1), `"`: value(depth - 1)}
		case n == 1 && depth > 0:
			return []any{value(depth - 1), value(depth - 1)}
		case n == 2:
			return rnd.IntN(100)
		case n == 3:
			return nil
		default:
			return []string{"", `\`, `"`, `,]"\`, "x{"}[rnd.IntN(5)]
		}
	}
	for range 2000 {
		array := make([]any, rnd.IntN(5))
		for i := range array {
			array[i] = value(4)
		}
		body, err := json.Marshal(array)
		require.NoError(t, err)
		if rnd.IntN(2) == 0 {
			body, err = json.MarshalIndent(array, " ", "\t")
			require.NoError(t, err)
		}
		var want []json.RawMessage
		require.NoError(t, json.Unmarshal(body, &want))
		split := splitRecords(body)
		for _, w := range want {
			record, depth, ok := split.next()
			require.True(t, ok)
			require.Equal(t, string(w), string(record))
			require.Equal(t, 1+depthOf(w), depth)
		}
		_, _, ok := split.next()
		require.False(t, ok)
	}
}

// depthOf is how deep a value is by encoding/json.
func depthOf(b []byte) (deepest int) {
	dec, depth := json.NewDecoder(strings.NewReader(string(b))), 0
	for tok, err := dec.Token(); err == nil; tok, err = dec.Token() {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return deepest
}

// The memory of violations against a map, where it is large enough to be one.
func TestTheMemoryOfViolationsDoesWhatItsModelDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type seen struct {
			at      time.Time
			repeats int
		}
		recent, model := newRecentViolations(time.Minute), map[int]*seen{}
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			line := rnd.IntN(60)
			repeats, fresh, _ := recent.see(&Violation{Line: line})
			m := model[line]
			switch {
			case m == nil:
				model[line] = &seen{at: time.Now()}
				require.True(t, fresh)
				require.Zero(t, repeats)
			case time.Since(m.at) < time.Minute:
				m.repeats++
				require.False(t, fresh)
				require.Equal(t, m.repeats, repeats)
			default:
				require.True(t, fresh)
				require.Equal(t, m.repeats, repeats)
				*m = seen{at: time.Now()}
			}
			time.Sleep(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		}
	})
}

// A flood of new ones pushes out the oldest, and never more than there is room for.
func TestTheMemoryOfViolationsHasAFixedSize(t *testing.T) {
	recent := newRecentViolations(time.Minute)
	for line := range 20_000 {
		_, fresh, _ := recent.see(&Violation{Line: line})
		require.True(t, fresh)
	}
	known := 0
	for line := 20_000 - 1; line >= 0; line-- {
		key := recent.keyOf(&Violation{Line: line})
		if slices.ContainsFunc(recent.sets[key%recentSets][:], func(e recentViolation) bool { return e.used && e.key == key }) {
			known++
		}
	}
	require.Greater(t, known, recentSets*recentWays*9/10)
	require.LessOrEqual(t, known, recentSets*recentWays)
}

// The limiter against a bucket that is filled step by step.
func TestTheRateDoesWhatItsModelDoes(t *testing.T) {
	for _, rate := range []int{1, 7, 100, 1000} {
		r, rnd := newRecordRate(rate, maxBatch), rand.New(rand.NewPCG(5, uint64(rate)))
		burst := float64(max(rate, maxBatch))
		var b bucket
		tokens, now := burst, time.Duration(0)
		for range 5000 {
			step := time.Duration(rnd.IntN(2000)) * time.Millisecond
			now += step
			tokens = min(burst, tokens+float64(step)/float64(r.each))
			n := 1 + rnd.IntN(150)
			got := r.room(&b, now, n)
			require.InDelta(t, min(float64(n), tokens), float64(got), 1.001, "rate %d", rate)
			require.LessOrEqual(t, float64(got), tokens+1e-6)
			r.charge(&b, now, got)
			tokens -= float64(got)
		}
	}
}

// wireForms encodes one violation as each of the senders does.
func wireForms(v *Violation) map[string]any {
	type object = map[string]any
	body := object{"documentURL": v.Document, "blockedURL": v.Blocked, "effectiveDirective": v.Directive, "originalPolicy": v.Policy,
		"sourceFile": v.Source, "lineNumber": v.Line, "columnNumber": v.Column, "sample": v.Sample, "referrer": v.Referrer,
		"disposition": v.Disposition, "statusCode": v.Status}
	legacy := object{"document-uri": v.Document, "blocked-uri": v.Blocked, "effective-directive": v.Directive, "violated-directive": v.Directive,
		"original-policy": v.Policy, "source-file": v.Source, "line-number": v.Line, "column-number": v.Column, "script-sample": v.Sample,
		"referrer": v.Referrer, "disposition": v.Disposition, "status-code": v.Status}
	return map[string]any{
		"report-uri":        object{"csp-report": legacy},
		"report-to":         []object{{"type": "csp-violation", "url": v.Document, "age": 0, "user_agent": v.UserAgent, "body": body}},
		"WebKit report-to":  object{"type": "csp-violation", "url": v.Document, "body": body},
		"WebKit report-uri": object{"type": "csp-violation", "url": v.Document, "csp-report": legacy},
	}
}

// FuzzWireForms: what one violation comes to does not depend on the shape.
func FuzzWireForms(f *testing.F) {
	f.Add("https://a.example/?x", "inline", "script-src", "script-src 'nonce-x'", "https://a.example/b.js#c", "alert(1)", "enforce", 3, 4, 200)
	f.Add("about", "https://u:p@b.example/", "img-src 'self'", "", "", "", "report", -1, 1<<40, 0)
	f.Add("", "", "x\x00", "\xff", "data:,x", "\u202e", "", 0, 0, 1000)
	f.Fuzz(func(t *testing.T, document, blocked, directive, policy, source, sample, disposition string, line, column, status int) {
		v := Violation{Document: document, Blocked: blocked, Directive: directive, Policy: policy, Source: source, Sample: sample,
			Disposition: disposition, Line: line, Column: column, Status: status, Referrer: document, UserAgent: "Firefox/153.0"}
		var first *Violation
		var firstReason dropReason
		for name, form := range wireForms(&v) {
			body, err := json.Marshal(form)
			require.NoError(t, err)
			if len(body) > maxReportSize/2 {
				return // some are longer than others
			}
			split := splitRecords(body)
			require.Equal(t, 1, split.count())
			record, depth, _ := split.next()
			got, reason := parseReport(record, depth, v.UserAgent)
			if first == nil {
				first, firstReason = &got, reason
			}
			require.Equal(t, firstReason, reason, name)
			require.Equal(t, *first, got, name)
		}
	})
}

// FuzzReports: whatever arrives, at most 100 violations come of it, each within its
// bounds and clean, and every report is accounted for.
func FuzzReports(f *testing.F) {
	f.Add([]byte(`{"csp-report":{"effective-directive":"img-src","blocked-uri":"https://u:p@a.example/?x#y"}}`))
	f.Add([]byte(`[{"type":"csp-violation","body":{"effectiveDirective":"img-src","sample":"\u0000","line":1e9}},{"type":"coop","body":{}}]`))
	f.Add([]byte(`[` + strings.Repeat(`{"type":"coep","body":{}},`, 120) + `]`))
	f.Add([]byte(`{"type":"csp-violation","url":"x","csp-report":{"violated-directive":"a b","line-number":"7"}}`))
	f.Add([]byte(`[[[[[[[[[[[[`))
	f.Add([]byte("{\"csp-report\":{\"effective-directive\":\"img-src\",\"script-sample\":\"\xff\xfe nonce=x\"}}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxBatchSize {
			return
		}
		handed, dropped := 0, 0
		rp := newReporter(ReportOptions{Rate: -1, ClientRate: -1, Window: -1,
			OnViolation: func(_ context.Context, v Violation) { handed++; requireClean(t, &v) },
			OnDrop:      func(_ string, n int) { dropped += n },
		}, nil, slog.New(slog.DiscardHandler))
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		rp.ServeHTTP(w, r)
		require.Equal(t, 204, w.Code)
		require.LessOrEqual(t, handed, maxBatch)
		n := 1 // what is too long is not looked into
		if isBatch(body) || len(body) <= maxReportSize {
			n = max(1, splitRecords(body).count())
		}
		require.Equal(t, n, handed+dropped)
		require.Zero(t, rp.limits.total.busy)
		require.Zero(t, rp.long.Load())
	})
}

// requireClean looks at every field, so that a new one is not forgotten.
func requireClean(t *testing.T, v *Violation) {
	t.Helper()
	fields := reflect.ValueOf(*v)
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		switch value := fields.Field(i).Interface().(type) {
		case string:
			require.LessOrEqual(t, len(value), maxReportField, name)
			require.True(t, utf8.ValidString(value), name)
			require.False(t, strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }), "%s: %q", name, value)
		case int:
			require.GreaterOrEqual(t, value, 0, name)
			require.LessOrEqual(t, value, 1<<31-1, name)
		}
	}
	for _, u := range []string{v.Document, v.Blocked, v.Source, v.Referrer} {
		require.NotContains(t, u, "?")
		require.NotContains(t, u, "#")
		require.NotContains(t, authorityOf(u), "@")
	}
	require.LessOrEqual(t, utf8.RuneCountInString(v.Sample), maxSampleRunes)
	require.LessOrEqual(t, len(v.UserAgent), maxReportAgent)
	require.Contains(t, []string{"enforce", "report"}, v.Disposition)
	require.Contains(t, []string{"chromium", "firefox", "webkit", "other"}, v.Engine)
	require.Contains(t, []string{"inline", "eval", "wasm-eval", "self", "trusted-types-sink", "trusted-types-policy", "data", "blob",
		"filesystem", "extension", "url", "scheme", "none", "other"}, v.BlockedKind)
	require.Contains(t, []string{"csp-violation", "integrity-violation", "coop", "coep", "permissions-policy-violation", "document-policy-violation"}, v.Type)
	require.Regexp(t, "^[a-z][a-z0-9-]{0,63}$", v.Directive)
}

// FuzzScrub: no query, user info or nonce is left, whatever is around it, and
// scrubbing what is scrubbed changes nothing.
func FuzzScrub(f *testing.F) {
	f.Add("https://", "/x", "'self'")
	f.Add("https://a@", "\\", "nonce=")
	f.Add("nonce-", "nonce", "' nonce- '")
	f.Add("data:", "@", "\x00")
	f.Add("nonCe=", "0", "0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		const secret = "S3cr3tV4lue"
		if strings.Contains(strings.ToLower(a+"\x00"+b+"\x00"+c), "s3cr3t") {
			return
		}
		for _, raw := range []string{a + b, a + "?" + secret + b, a + "#" + secret + b, "https://" + secret + "@" + b, "https://u:" + secret + "@" + a + "/" + b} {
			if strings.HasPrefix(raw, "https://") && strings.ContainsAny(raw[8:8+max(0, strings.Index(raw[8:], "@"))], `/\?#`) {
				continue // no user info: it is the host of something else
			}
			clean, scheme := scrubURL(raw)
			require.NotContains(t, strings.ToLower(clean), strings.ToLower(secret), raw)
			require.False(t, strings.ContainsAny(clean, "?#"), raw)
			require.NotContains(t, authorityOf(clean), "@", raw)
			again, scheme2 := scrubURL(clean)
			require.Equal(t, clean, again, raw)
			require.Equal(t, scheme, scheme2, raw)
		}
		for _, raw := range []string{a + "'nonce-" + secret + "'" + b, a + ` nonce="` + secret + `"` + b, a + " nonce=" + secret + " " + b, a + b + c} {
			clean := scrubNonces(raw, inCode)
			require.NotContains(t, clean, secret, raw)
			require.NotContains(t, cleanSample(raw), "S3cr3t", raw)
		}
	})
}

// What is no batch is not read further than a report may be long.
func TestALongReportIsNotReadToItsEnd(t *testing.T) {
	for text, want := range map[string]int{"{": maxReportSize + 1, "[": maxBatchSize + 1} {
		var long atomic.Int64
		src := strings.NewReader(text + strings.Repeat(" ", 2*maxBatchSize))
		b := reportBody{long: &long}
		require.Equal(t, dropTooLarge, b.read(src))
		require.Equal(t, want, int(src.Size())-src.Len())
		b.free()
		require.Zero(t, long.Load())
	}
}

// The names of the reasons are distinct, and none is forgotten.
func TestEveryReasonHasAName(t *testing.T) {
	require.Empty(t, dropReasons[kept])
	seen := map[string]bool{}
	for reason, name := range dropReasons[1:] {
		require.NotEmpty(t, name, reason)
		require.False(t, seen[name], name)
		seen[name] = true
	}
	require.Equal(t, "[ media_type encoding too_large too_many rate busy broken malformed type origin noise ignored]", fmt.Sprint(dropReasons), "as metrics has them")
}
