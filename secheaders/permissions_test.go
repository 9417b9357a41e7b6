package secheaders_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// Trap d.18, d.19: what a browser would drop without a word is refused at construction,
// all of it at once.
func TestStructuredHeadersAreCheckedAtConstruction(t *testing.T) {
	_, err := New(Options{Document: Headers{
		Permissions:           Permissions{Deny("camara"), Allow(USB, "self")},
		PermissionsReportOnly: Permissions{Deny("document-domain")},
		Opener:                "same-site",
		Embedder:              "credential-less",
		Resource:              "none",
		AgentCluster:          "?2",
		Referrer:              "unsafe-url",
		Document:              "js-profiling,",
	}})
	for _, want := range []string{
		`secheaders: Document.Permissions: "camara"`,
		`secheaders: Document.Permissions: usb: self is the name of a host`,
		`secheaders: Document.PermissionsReportOnly: document-domain is retired`,
		`secheaders: Document.Opener: `, `secheaders: Document.Embedder: `, `secheaders: Document.Resource: `,
		`secheaders: Document.AgentCluster: `, `secheaders: Document.Referrer: `, `secheaders: Document.Document: `,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestAPageMayHaveWhatTheOthersMayNot(t *testing.T) {
	s := mustNew(t, Options{})
	usual := headersOf(t, s, "text/html").Get("Permissions-Policy")
	require.Contains(t, usual, "camera=(), ")

	override, err := s.Override(Headers{Permissions: Permissions{Allow(Camera, Self)}})
	require.NoError(t, err)
	h := answer(s.Middleware(override(typed("text/html"))), secureRequest())
	require.Contains(t, h.Get("Permissions-Policy"), ", camera=(self)")
	require.NotContains(t, h.Get("Permissions-Policy"), "camera=()")
	require.Contains(t, h.Get("Permissions-Policy"), "microphone=()")
	require.Equal(t, usual, headersOf(t, s, "text/html").Get("Permissions-Policy"), "other routes stay as they are")

	_, err = s.Override(Headers{Permissions: Permissions{Deny("camara")}})
	require.ErrorContains(t, err, `"camara"`)
}

// Trap d.20: reports go to the endpoint that Reporting-Endpoints names.
func TestPoliciesReportWhereTheEndpointIs(t *testing.T) {
	s := mustNew(t, Options{
		Document: Headers{
			PermissionsReportOnly: Permissions{Deny(Autoplay)},
			OpenerReportOnly:      OpenerNoopenerAllowPopups,
			Integrity:             &IntegrityPolicy{Scripts: true},
			Resource:              Omit,
		},
		Reports: ReportOptions{URL: "/csp-reports"},
	})
	h := headersOf(t, s, "text/html")
	require.Equal(t, `security="/csp-reports"`, h.Get("Reporting-Endpoints"))
	require.Equal(t, "autoplay=();report-to=security", h.Get("Permissions-Policy-Report-Only"))
	require.Equal(t, `same-origin;report-to="security"`, h.Get("Cross-Origin-Opener-Policy"))
	require.Equal(t, `noopener-allow-popups;report-to="security"`, h.Get("Cross-Origin-Opener-Policy-Report-Only"))
	require.Equal(t, "blocked-destinations=(script), endpoints=(security)", h.Get("Integrity-Policy"))
	require.NotContains(t, h, "Cross-Origin-Resource-Policy")

	// Without an endpoint they are bare.
	h = headersOf(t, mustNew(t, Options{}), "text/html")
	require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"))
	require.Equal(t, "?1", h.Get("Origin-Agent-Cluster"))
}
