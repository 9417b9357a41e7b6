package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// behindTLS asks as a proxy does to which the client spoke TLS.
var behindTLS = map[string]string{"X-Forwarded-Proto": "https"}

func TestEachModeHasItsHeaders(t *testing.T) {
	for _, tt := range []struct {
		mode, script, style string
		isolated            bool
	}{
		{"production", "'strict-dynamic'; style-src 'self' 'nonce-", "", true},
		{"staging", "'strict-dynamic'; style-src 'self' 'nonce-", "", true},
		{"development", "'strict-dynamic' 'unsafe-eval'; style-src 'self' 'unsafe-inline';", "", false},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			s := start(t, map[string]string{"APP_ENV": tt.mode, "TRUSTED_PROXIES": "127.0.0.0/8, ::1/128", "CONNECT_SRC": "wss://chat.example,https://ai.example",
				"DRAIN_WAIT": "0s"})
			c := &client{t: t, base: s.url}
			res, page := c.do("GET", "/", nil, behindTLS)
			h := res.Header
			policy := h.Get("Content-Security-Policy")
			require.Contains(t, policy, tt.script)
			require.Contains(t, policy, " wss://chat.example https://ai.example;")
			require.Contains(t, policy, "; report-uri /csp-reports; report-to security")
			_, nonce, _ := strings.Cut(policy, "'nonce-")
			nonce, _, _ = strings.Cut(nonce, "'")
			require.Contains(t, page, `<script type="module" nonce="`+nonce+`">`)
			require.Equal(t, `security="/csp-reports"`, h.Get("Reporting-Endpoints"))
			require.Equal(t, "DENY", strings.Replace(h.Get("X-Frame-Options"), "SAMEORIGIN", "DENY", 1))
			require.Equal(t, tt.isolated, h["Cross-Origin-Embedder-Policy"] != nil)
			require.Equal(t, !tt.isolated, h["Cross-Origin-Embedder-Policy-Report-Only"] != nil)
			require.Nil(t, h["Strict-Transport-Security"], "it is not for addresses")
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			require.Equal(t, "0", h.Get("X-XSS-Protection"))

			res, _ = c.do("GET", "/api/messages", nil, behindTLS)
			require.Equal(t, "default-src 'none'; frame-ancestors 'none'; report-uri /csp-reports; report-to security", res.Header.Get("Content-Security-Policy"))
			res, _ = c.do("GET", "/static/app.js", nil, behindTLS)
			require.Nil(t, res.Header["Content-Security-Policy"])
			require.Equal(t, "same-origin", res.Header.Get("Cross-Origin-Resource-Policy"))
		})
	}
}

func TestOnlyProductionIsPinnedToTLS(t *testing.T) {
	for mode, pinned := range map[string]bool{"production": true, "staging": false, "development": false} {
		s := start(t, map[string]string{"APP_ENV": mode, "TRUSTED_PROXIES": "127.0.0.0/8", "DRAIN_WAIT": "0s"})
		for proto, tls := range map[string]bool{"https": true, "http": false} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/", nil)
			require.NoError(t, err)
			req.Host = "app.example"
			req.Header.Set("X-Forwarded-Proto", proto)
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			res.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			require.Equal(t, pinned && tls, res.Header["Strict-Transport-Security"] != nil, "%s by %s", mode, proto)
		}
	}
}

func TestPagesOfOtherSitesMayOnlyLinkHere(t *testing.T) {
	s := start(t, map[string]string{"CHAT_ORIGINS": "friend.example"})
	c := &client{t: t, base: s.url}
	foreign := func(mode, dest string) map[string]string {
		return map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Origin": "https://evil.example"}
	}
	for _, tt := range []struct {
		name, method, path string
		header             map[string]string
		status             int
	}{
		{"a link", "GET", "/", foreign("navigate", "document"), 200},
		{"an image", "GET", "/static/icon.svg", foreign("no-cors", "image"), 403},
		{"a script", "GET", "/api/messages", foreign("no-cors", "script"), 403},
		{"a form", "POST", "/api/logout", foreign("navigate", "document"), 403},
		{"a report", "POST", reportPath, foreign("cors", "report"), 204},
		{"a friend", "GET", "/api/messages", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://friend.example"}, 200},
	} {
		res, _ := c.do(tt.method, tt.path, nil, tt.header)
		require.Equal(t, tt.status, res.StatusCode, tt.name)
		if tt.status == 403 {
			require.NotEmpty(t, res.Header.Get("Content-Security-Policy"), "a refusal has headers, too")
		}
	}
	ops := &client{t: t, base: s.admin}
	_, metrics := ops.do("GET", "/metrics", nil, nil)
	require.True(t, strings.Contains(metrics, `errors_total{component="isolation",kind="cross-site"} 3`))
}

func TestALogoutClearsTheBrowser(t *testing.T) {
	s := start(t, nil)
	c := &client{t: t, base: s.url}
	c.login("admin", password)
	res, _ := c.do("POST", "/api/logout", nil, nil)
	require.Equal(t, `"cookies", "storage"`, res.Header.Get("Clear-Site-Data"))
}
