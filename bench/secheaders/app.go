package secheaders

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// What all subjects send, beside Content-Security-Policy. The features are those that
// sluice denies by default.
const (
	frameOptions   = "DENY"
	nosniff        = "nosniff"
	xssProtection  = "0"
	hstsSeconds    = 63072000 // with all subdomains
	referrerPolicy = "strict-origin-when-cross-origin"
	openerPolicy   = "same-origin"
	resourcePolicy = "same-origin"
	permissions    = "accelerometer=(), browsing-topics=(), camera=(), captured-surface-control=(), clipboard-read=(), " +
		"compute-pressure=(), digital-credentials-create=(), digital-credentials-get=(), display-capture=(), geolocation=(), " +
		"gyroscope=(), hid=(), idle-detection=(), keyboard-map=(), local-fonts=(), magnetometer=(), microphone=(), midi=(), " +
		"on-device-speech-recognition=(), payment=(), private-state-token-issuance=(), private-state-token-redemption=(), " +
		"serial=(), speaker-selection=(), usb=(), window-management=(), xr-spatial-tracking=()"
)

// The policies. Each subject has its own mark in the place of a nonce.
const (
	nonceMark      = "$NONCE"
	constantPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	noncedPolicy = "default-src 'none'; script-src " + nonceMark + " 'strict-dynamic'; style-src 'self' " + nonceMark +
		"; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// dataPolicy is what sluice gives JSON where documents have a nonce.
	dataPolicy = "default-src 'none'; frame-ancestors 'none'"
)

type middleware = func(http.Handler) http.Handler

// layers are a subject's two middlewares, and how a handler gets the nonce.
type layers struct {
	constant, nonced middleware
	nonce            func(context.Context) string
}

// program is one kind of request.
type program struct {
	name, target string
	open         func(layers) http.Handler
}

const (
	constantPage = "a document, constant policy"
	noncedPage   = "a document, nonce for scripts and styles"
	noncedJSON   = "JSON, where documents have a nonce"
)

var programs = []program{
	{constantPage, "/", func(l layers) http.Handler { return l.constant(http.HandlerFunc(page)) }},
	{noncedPage, "/nonced", func(l layers) http.Handler { return l.nonced(scripted(l.nonce)) }},
	{noncedJSON, "/nonced.json", func(l layers) http.Handler { return l.nonced(http.HandlerFunc(things)) }},
}

// kept is in the name of a case in which a client keeps the map of the header.
const kept = ", map of the header kept"

// cases are all programs, twice: with a new map for the header of each answer, which
// grows when nine fields are set, as that of net/http's server does, and with one that
// has its room already, so that nothing but the layers is measured.
func cases() (all []harness.Case) {
	for _, suffix := range []string{"", kept} {
		for _, p := range programs {
			all = append(all, harness.Case{Name: p.name + suffix, Method: "GET", Target: p.target, NewHeader: suffix == ""})
		}
	}
	return all
}

func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html><title>Things</title><script src=/app.js></script>")
}

func things(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `[{"id":42,"name":"a thing"}]`)
}

// scripted is a page with its nonce in it. As such a page is for one reader, it says
// so to caches; where it does not, sluice does.
func scripted(nonce func(context.Context) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := nonce(r.Context())
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		for _, piece := range [...]string{`<!doctype html><title>Things</title><style nonce="`, n, `">p{}</style><script nonce="`, n, `">run()</script>`} {
			_, _ = io.WriteString(w, piece)
		}
	})
}

// none is the application without any layer.
func none() layers {
	same := func(h http.Handler) http.Handler { return h }
	return layers{same, same, func(context.Context) string { return "AAAAAAAAAAAAAAAAAAAAAA" }}
}

// app answers each program under its path.
func app(l layers) http.Handler {
	answers := map[string]http.Handler{}
	for _, p := range programs {
		answers[p.target] = p.open(l)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path].ServeHTTP(w, r) })
}

// served starts each answer with an empty header, as the server does, for a request that
// came over TLS, without which nobody sends HSTS.
func served(h http.Handler) http.Handler {
	state := &tls.ConnectionState{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clear(w.Header())
		r.TLS = state
		h.ServeHTTP(w, r)
	})
}
