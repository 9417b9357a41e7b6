package secheaders

import (
	"slices"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// OpenerPolicy is a value of Cross-Origin-Opener-Policy (HTML §7.1.3).
type OpenerPolicy string

const (
	// OpenerSameOrigin cuts the document off from windows of other origins: it can
	// neither reach those it opens nor be reached by those that opened it. Logins and
	// payments in a pop-up window of another origin break.
	OpenerSameOrigin OpenerPolicy = "same-origin"
	// OpenerSameOriginAllowPopups leaves the document the windows that it opens.
	OpenerSameOriginAllowPopups OpenerPolicy = "same-origin-allow-popups"
	// OpenerNoopenerAllowPopups cuts the document off from whoever opened it, those of
	// its own origin included, and leaves it the windows that it opens.
	OpenerNoopenerAllowPopups OpenerPolicy = "noopener-allow-popups"
	// OpenerUnsafeNone is what browsers do without the header.
	OpenerUnsafeNone OpenerPolicy = "unsafe-none"
)

// EmbedderPolicy is a value of Cross-Origin-Embedder-Policy (HTML §7.1.4). With
// [OpenerSameOrigin], both of the strict ones make a document cross-origin isolated.
type EmbedderPolicy string

const (
	// EmbedderRequireCorp embeds what agreed to it by CORS or by
	// Cross-Origin-Resource-Policy. Most content of others did not.
	EmbedderRequireCorp EmbedderPolicy = "require-corp"
	// EmbedderCredentialless also embeds what did not, but asks for it without
	// cookies. Frames must still agree.
	EmbedderCredentialless EmbedderPolicy = "credentialless"
	// EmbedderUnsafeNone is what browsers do without the header.
	EmbedderUnsafeNone EmbedderPolicy = "unsafe-none"
)

// ResourcePolicy is a value of Cross-Origin-Resource-Policy (Fetch): whose
// documents may embed the response. CORS is not affected.
type ResourcePolicy string

const (
	ResourceSameOrigin  ResourcePolicy = "same-origin"
	ResourceSameSite    ResourcePolicy = "same-site"
	ResourceCrossOrigin ResourcePolicy = "cross-origin"
)

// AgentCluster is a value of Origin-Agent-Cluster (HTML §7.1.2), a structured boolean.
// It must be the same on each page of an origin, as the first one decides.
type AgentCluster string

const (
	// AgentClusterOrigin keeps the origin apart from others of its site: setting
	// document.domain has no effect.
	AgentClusterOrigin AgentCluster = "?1"
	// AgentClusterSite lets documents of one site reach each other by document.domain.
	AgentClusterSite AgentCluster = "?0"
)

func (p OpenerPolicy) faults(f *faults, field string) {
	oneOf(f, field, p, OpenerSameOrigin, OpenerSameOriginAllowPopups, OpenerNoopenerAllowPopups, OpenerUnsafeNone)
}

func (p EmbedderPolicy) faults(f *faults, field string) {
	oneOf(f, field, p, EmbedderRequireCorp, EmbedderCredentialless, EmbedderUnsafeNone)
}

func (p ResourcePolicy) faults(f *faults, field string) {
	oneOf(f, field, p, ResourceSameOrigin, ResourceSameSite, ResourceCrossOrigin)
}

func (p AgentCluster) faults(f *faults, field string) {
	oneOf(f, field, p, AgentClusterOrigin, AgentClusterSite)
}

// oneOf adds a fault if value is none of those known: browsers take it as if the
// header was not there. Letter case counts in all of them.
func oneOf[T ~string](f *faults, field string, value T, known ...T) {
	if slices.Contains(known, value) {
		return
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	f.add(field, "browsers ignore %q; they know %s", string(value), strings.Join(names, ", "))
}

func (p OpenerPolicy) value(reportTo string) string   { return reportingToken(string(p), reportTo) }
func (p EmbedderPolicy) value(reportTo string) string { return reportingToken(string(p), reportTo) }

// reportingToken is a token with the parameter that says where to report to, a string
// here: Chromium drops the reports of a token (HTML §7.1.3.1, §7.1.4.1).
func reportingToken(token, reportTo string) string {
	if token == "" || token == Omit || reportTo == "" {
		return token
	}
	return serialised(httpheader.SFItem(httpheader.SFToken(token),
		httpheader.SFParam{Key: "report-to", Value: httpheader.SFString(reportTo)}))
}
