package secheaders

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// faultsOf are the faults of a value of a field named Field.
func faultsOf(value interface{ faults(*faults, string) }) []string {
	var f faults
	value.faults(&f, "Field")
	texts := make([]string, len(f.errs))
	for i, err := range f.errs {
		texts[i] = strings.TrimPrefix(err.Error(), "secheaders: Field: ")
	}
	return texts
}

func TestValuesThatBrowsersIgnoreAreFaults(t *testing.T) {
	tests := []struct {
		name  string
		value interface{ faults(*faults, string) }
		want  string // "" is none
	}{
		{"an opener policy", OpenerSameOrigin, ""},
		{"an opener policy that allows pop-ups", OpenerSameOriginAllowPopups, ""},
		{"an opener policy without an opener", OpenerNoopenerAllowPopups, ""},
		{"an opener policy that is off", OpenerUnsafeNone, ""},
		{"an opener policy in capitals", OpenerPolicy("Same-Origin"), `browsers ignore "Same-Origin"; they know same-origin, same-origin-allow-popups, noopener-allow-popups, unsafe-none`},
		{"an opener policy that browsers keep to themselves", OpenerPolicy("same-origin-plus-coep"), "browsers ignore"},
		{"an opener policy with a parameter", OpenerPolicy(`same-origin; report-to="a"`), "browsers ignore"},
		{"an embedder policy", EmbedderRequireCorp, ""},
		{"an embedder policy without credentials", EmbedderCredentialless, ""},
		{"an embedder policy that is off", EmbedderUnsafeNone, ""},
		{"an embedder policy that does not exist", EmbedderPolicy("same-origin"), "they know require-corp, credentialless, unsafe-none"},
		{"a resource policy of the origin", ResourceSameOrigin, ""},
		{"a resource policy of the site", ResourceSameSite, ""},
		{"a resource policy of all", ResourceCrossOrigin, ""},
		{"a resource policy that does not exist", ResourcePolicy("none"), "they know same-origin, same-site, cross-origin"},
		{"a resource policy with a line break", ResourcePolicy("same-origin\n"), `browsers ignore "same-origin\n"`},
		{"an agent cluster of the origin", AgentClusterOrigin, ""},
		{"an agent cluster of the site", AgentClusterSite, ""},
		{"an agent cluster that is no boolean", AgentCluster("1"), "they know ?1, ?0"},
		{"a referrer policy", ReferrerNone, ""},
		{"a list of referrer policies", ReferrerPolicy("no-referrer, strict-origin-when-cross-origin"), ""},
		{"a referrer policy that does not exist", ReferrerPolicy("none"), `"none" is no referrer policy`},
		{"a referrer policy in capitals", ReferrerPolicy("No-Referrer"), `"No-Referrer" is no referrer policy`},
		{"a list with one that does not exist", ReferrerPolicy("no-referrer, never"), `"never" is no referrer policy`},
		{"a referrer policy with a line break", ReferrerPolicy("no-referrer\nX: y"), "is no referrer policy"},
		{"a list without white space in front of a line break", ReferrerPolicy("no-referrer,\r\norigin"), "is no referrer policy"},
		{"a list of nothing", ReferrerPolicy(" , "), `"," names no referrer policy`},
		{"a document policy", DocumentPolicy(`js-profiling, expect-no-linked-resources=?0;report-to=security, *;report-to=none`), ""},
		{"a document policy that is no dictionary", DocumentPolicy("js-profiling;"), "does not begin with a key"},
		{"a document policy in the form of a list", DocumentPolicy("a;f=1.0"), "a has a parameter f"},
		{"a document policy in capitals", DocumentPolicy("Js-profiling"), `"Js-profiling" does not begin with a key`},
		{"a document policy with a line break", DocumentPolicy("a,\nb"), "does not begin with a key"},
		{"a document policy with a list", DocumentPolicy("a=(b c)"), "a has a list where features have one value"},
		{"a document policy with a feature twice", DocumentPolicy("a=1, a=2"), "a occurs twice"},
		{"a document policy that reports to a string", DocumentPolicy(`*;report-to="a"`), `* reports to "a", which is no name`},
		{"a document policy that is blank", DocumentPolicy(" "), "it is blank"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(tt.value)
			if tt.want == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], tt.want)
		})
	}
}

// They are graded unsafe, and tell other sites what is in a query.
func TestReferrerPoliciesThatLeakAreFaults(t *testing.T) {
	for _, p := range []ReferrerPolicy{"unsafe-url", "no-referrer-when-downgrade", "no-referrer-when-downgrade, no-referrer"} {
		got := faultsOf(p)
		require.Len(t, got, 1)
		require.Contains(t, got[0], "tells other sites the path and query")
	}
	require.Len(t, faultsOf(ReferrerPolicy("unsafe-url, never")), 2, "all faults at once")
	for _, p := range referrerPolicies {
		require.Empty(t, faultsOf(p))
	}
}

// Trap d.20: a report names where it goes by a string, while Permissions-Policy and
// Integrity-Policy want a token.
func TestPoliciesForOriginsReport(t *testing.T) {
	require.Equal(t, "same-origin", OpenerSameOrigin.value(""))
	require.Equal(t, `same-origin;report-to="security"`, OpenerSameOrigin.value("security"))
	require.Equal(t, `credentialless;report-to="security"`, EmbedderCredentialless.value("security"))
	require.Equal(t, Omit, OpenerPolicy(Omit).value("security"))
	require.Equal(t, Omit, EmbedderPolicy(Omit).value("security"))
	require.Empty(t, OpenerPolicy("").value("security"))
	require.Empty(t, EmbedderPolicy("").value("security"))
}

// Trap d.21: lists of tokens.
func TestIntegrityPolicy(t *testing.T) {
	tests := []struct {
		name     string
		p        *IntegrityPolicy
		endpoint string
		want     string
	}{
		{"inherited from nowhere", nil, "security", ""},
		{"none", &IntegrityPolicy{}, "security", ""},
		{"scripts", &IntegrityPolicy{Scripts: true}, "", "blocked-destinations=(script)"},
		{"styles", &IntegrityPolicy{Styles: true}, "security", "blocked-destinations=(style), endpoints=(security)"},
		{"both", &IntegrityPolicy{Scripts: true, Styles: true}, "security", "blocked-destinations=(script style), endpoints=(security)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, tt.p.value(tt.endpoint)) })
	}
}

func TestReportingEndpoints(t *testing.T) {
	require.Equal(t, `security="/csp-reports"`, reportingEndpoints("security", "/csp-reports"))
	require.Equal(t, `a="https://r.example/?a=\"b\\"`, reportingEndpoints("a", `https://r.example/?a="b\`))
	require.Empty(t, reportingEndpoints("Security", "/csp-reports"), "capitals would void the header")
	require.Empty(t, reportingEndpoints("security", "/ü"))
}

// The name has to be all of what headers take: a key, a token, and a value of CSP.
func TestTheEndpointHasANameForAllHeaders(t *testing.T) {
	require.NotEmpty(t, reportingEndpoints(endpoint, "/"))
	require.Contains(t, Permissions{Deny(USB)}.value(endpoint), ";report-to="+endpoint)
	require.Contains(t, (&IntegrityPolicy{Scripts: true}).value(endpoint), "endpoints=("+endpoint+")")
	require.Empty(t, faultsOf(DocumentPolicy("*;report-to="+endpoint)))
	require.True(t, isText(endpoint))
}
