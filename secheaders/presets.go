package secheaders

// Document is for pages that are written for it, and the default: nothing but scripts
// that bear the nonce and what they load, styles, images, fonts and connections of the
// own origin; no string becomes code (Trusted Types); isolated from other origins.
func Document() Headers {
	return Headers{
		CSP: Policy{
			DefaultSrc(None),
			ScriptSrc(WithNonce, StrictDynamic),
			StyleSrc(Self, WithNonce),
			ImgSrc(Self),
			FontSrc(Self),
			ConnectSrc(Self),
			ManifestSrc(Self),
			MediaSrc(Self),
			BaseURI(None),
			FormAction(Self),
			FrameAncestors(None),
			RequireTrustedTypes(),
		},
		// With no-referrer, browsers send "Origin: null" with forms of the own origin.
		Referrer:      ReferrerStrictOriginWhenCrossOrigin,
		Permissions:   defaultPermissions(),
		Opener:        OpenerSameOrigin,
		Embedder:      EmbedderCredentialless,
		Resource:      ResourceSameOrigin,
		AgentCluster:  AgentClusterOrigin,
		XSSProtection: XSSProtectionOff,
	}
}

// QuickStart is for pages that were written without a policy in mind, once their script
// tags bear the nonce: inline styles, images of other sites and logins in pop-up
// windows work. What would break such pages, Trusted Types and the isolation of
// embedded content, only reports.
func QuickStart() Headers {
	h := Document()
	h.CSP = Policy{
		DefaultSrc(Self),
		ScriptSrc(WithNonce, StrictDynamic),
		StyleSrc(Self, UnsafeInline),
		ImgSrc(Self, "data:", "https:"),
		FontSrc(Self, "data:"),
		ConnectSrc(Self),
		ObjectSrc(None),
		BaseURI(Self),
		FormAction(Self),
		FrameAncestors(Self),
	}
	h.CSPReportOnly = Policy{RequireTrustedTypes()}
	h.Opener = OpenerSameOriginAllowPopups
	h.Embedder = Omit
	h.EmbedderReportOnly = EmbedderCredentialless
	return h
}

// Dev is for a page that a development server changes as one types: styles without a
// nonce, eval, and connections to anywhere. Its scripts still need the nonce, so that
// a tag that lacks it is found before production. Trusted Types and the isolation of
// embedded content only report.
func Dev() Headers {
	h := Document()
	h.CSP = Policy{
		DefaultSrc(None),
		ScriptSrc(WithNonce, StrictDynamic, UnsafeEval),
		StyleSrc(Self, UnsafeInline), // beside a nonce it would be ignored
		ImgSrc(Self, "data:", "blob:"),
		FontSrc(Self, "data:"),
		ConnectSrc(Self, "http:", "https:", "ws:", "wss:"),
		ManifestSrc(Self),
		MediaSrc(Self, "data:", "blob:"),
		WorkerSrc(Self, "blob:"),
		FrameSrc(Self),
		BaseURI(None),
		FormAction(Self),
		FrameAncestors(Self),
	}
	h.CSPReportOnly = Policy{RequireTrustedTypes()}
	h.Embedder = Omit
	h.EmbedderReportOnly = EmbedderCredentialless
	return h
}

// API is for data: nothing in it may run, load or be framed. As an override it is for
// all responses of a route, its error pages too.
func API() Headers {
	return Headers{
		CSP:                   Policy{DefaultSrc(None), FrameAncestors(None)},
		CSPReportOnly:         Policy{},
		Referrer:              ReferrerNone,
		Permissions:           Permissions{},
		PermissionsReportOnly: Permissions{},
		Opener:                Omit,
		OpenerReportOnly:      Omit,
		Embedder:              Omit,
		EmbedderReportOnly:    Omit,
		Resource:              ResourceSameOrigin,
		AgentCluster:          Omit,
		XSSProtection:         Omit,
		AnyType:               true,
	}
}

// Static is for scripts, styles, images and fonts. They get no policy: a worker obeys
// that of its own script. Their Embedder is that of documents, as a worker of an
// isolated document must be isolated, too (HTML §7.1.4).
func Static() Headers {
	return Headers{
		CSP:                   Policy{},
		CSPReportOnly:         Policy{},
		FrameOptions:          Omit,
		Referrer:              ReferrerStrictOriginWhenCrossOrigin,
		Permissions:           Permissions{},
		PermissionsReportOnly: Permissions{},
		Opener:                Omit,
		OpenerReportOnly:      Omit,
		Resource:              ResourceSameOrigin,
		AgentCluster:          Omit,
		XSSProtection:         Omit,
	}
}

// UserContent is an override for what users have uploaded, whatever type it claims:
// in a browser it is in a sandbox, with an origin of its own and without scripts. Serve
// it from another site, or as an attachment, where you can.
func UserContent() Headers {
	h := API()
	h.CSP = Policy{DefaultSrc(None), FrameAncestors(None), Sandbox()}
	return h
}
