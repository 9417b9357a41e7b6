package health

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func accepting(lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/health", nil)
	if lines != nil {
		r.Header["Accept"] = lines
	}
	return r
}

// The weights of RFC 9110 §12.5.1. A probe must not fail over its Accept field,
// so that JSON is for whoever wants nothing that we have (§15.5.7 allows it).
func TestNegotiation(t *testing.T) {
	const inJSON, inHealth, inText = "application/json", "application/health+json", "text/plain; charset=utf-8"
	for _, tt := range []struct {
		name   string
		accept []string
		want   string
	}{
		{"no field", nil, inJSON},
		{"an empty field", []string{""}, inJSON},
		{"the kubelet, curl, HAProxy", []string{"*/*"}, inJSON},
		{"JSON", []string{"application/json"}, inJSON},
		{"the draft", []string{"application/health+json"}, inHealth},
		{"text", []string{"text/plain"}, inText},
		{"any text", []string{"text/*"}, inText},
		{"any application", []string{"application/*"}, inJSON},
		{"a browser", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, inJSON},
		{"another media type", []string{"image/png"}, inJSON},
		{"letter case does not matter", []string{"Application/Health+JSON"}, inHealth},
		{"parameters of the type do not matter", []string{"application/health+json;version=1"}, inHealth},
		{"a charset does not matter", []string{"text/plain;charset=iso-8859-1"}, inText},
		{"of two as good, ours", []string{"text/plain, application/health+json, application/json"}, inJSON},
		{"of two as good, the draft", []string{"text/plain, application/health+json"}, inHealth},
		{"the higher weight", []string{"application/json;q=0.5, text/plain;q=0.6"}, inText},
		{"the weight to three places", []string{"application/json;q=0.998, application/health+json;q=0.999"}, inHealth},
		{"anything, but rather the draft", []string{"*/*;q=0.1, application/health+json"}, inHealth},
		{"the specific range counts, not the better one", []string{"*/*, application/json;q=0.1, application/health+json;q=0.2, text/*;q=0.3"}, inText},
		{"anything but JSON", []string{"*/*, application/json;q=0"}, inHealth},
		{"anything but applications", []string{"*/*;q=0.1, application/*;q=0"}, inText},
		{"any application but the draft", []string{"application/*, application/health+json;q=0"}, inJSON},
		{"nothing at all", []string{"*/*;q=0"}, inJSON},
		{"nothing of ours", []string{"application/json;q=0, application/health+json;q=0, text/plain;q=0"}, inJSON},
		{"two lines are one list, RFC 9110 §5.3", []string{"application/json;q=0.1", "text/plain"}, inText},
		{"white space", []string{"\t text/plain \t; \tq=1 , "}, inText},
		{"empty elements", []string{",,text/plain,,"}, inText},
		{"a parameter in quotes with a comma", []string{`text/plain;a=",application/json"`}, inText},
		{"a weight above 1 is none", []string{"text/plain;q=2, application/health+json;q=0.1"}, inHealth},
		{"a weight that is no number is none", []string{"text/plain;q=high"}, inJSON},
		{"a weight with four places is none", []string{"text/plain;q=0.0001"}, inJSON},
		{"a negative weight is none", []string{"text/plain;q=-1"}, inJSON},
		{"only the main type", []string{"text"}, inJSON},
		{"only a slash", []string{"/"}, inJSON},
		{"a lone star, as some clients send", []string{"*"}, inJSON},
		{"a star that is no range", []string{"*/plain"}, inJSON},
		{"a part of a type", []string{"text/plai, application/health"}, inJSON},
		{"three parts", []string{"text/plain/x"}, inJSON},
		{"an open quote reaches to the end", []string{`text/plain;a="b, application/health+json`}, inText},
		{"bytes that are no text", []string{"\xff\xfe/\x00, text/plain"}, inText},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, formats[negotiate(accepting(tt.accept...))].contentType[0])
		})
	}
}

func TestTheFormatsAreWhereTheirNamesSay(t *testing.T) {
	require.Equal(t, "application/json", formats[formatJSON].contentType[0])
	require.Equal(t, "text/plain; charset=utf-8", formats[formatText].contentType[0])
}

// A field of a megabyte, which is what net/http lets through, costs what its
// length does: it may not be squared.
func TestAHugeAcceptFieldIsReadInLinearTime(t *testing.T) {
	for _, unit := range []string{"a/b,", ",", ";", `"`, `\`, `a/b;c="d",`, "a/b;q=0.1;", `";`, " ", "*/*;q=0.001,", "/", "=;"} {
		huge := accepting(strings.Repeat(unit, 1<<20/len(unit)), "text/plain")
		least := time.Hour
		for range 3 {
			start := time.Now()
			require.Contains(t, []int{formatJSON, formatText}, negotiate(huge), "%q", unit)
			least = min(least, time.Since(start))
		}
		require.Less(t, least, 2*time.Second, "%q; squared it would take minutes", unit)
	}
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("a/b%d", i)
	}
	require.Equal(t, formatText, negotiate(accepting(append(many, "text/plain")...)))
}

func TestNegotiationAllocatesNothing(t *testing.T) {
	for _, accept := range []string{"*/*", "application/health+json", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"} {
		r := accepting(accept)
		require.Zero(t, testing.AllocsPerRun(100, func() { negotiate(r) }), accept)
	}
}
