package secheaders

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/unrolled/secure"
)

func openUnrolled() (layers, error) {
	return layers{unrolledWith(constantPolicy), unrolledWith(noncedPolicy), secure.CSPNonce}, nil
}

func unrolledWith(policy string) middleware {
	return secure.New(secure.Options{
		ContentSecurityPolicy:     policy, // its mark of a nonce is ours
		CustomFrameOptionsValue:   frameOptions,
		ContentTypeNosniff:        true,
		CustomBrowserXssValue:     xssProtection,
		STSSeconds:                hstsSeconds,
		STSIncludeSubdomains:      true,
		ReferrerPolicy:            referrerPolicy,
		PermissionsPolicy:         permissions,
		CrossOriginOpenerPolicy:   openerPolicy,
		CrossOriginResourcePolicy: resourcePolicy,
	}).Handler
}

// openByHand is what one writes who needs nothing but these headers: the least that
// they can cost where they are set before the handler runs.
func openByHand() (layers, error) {
	return layers{byHand, byHandNonced, nonceByHand}, nil
}

// field has a value that is made once.
type field struct {
	name  string
	value []string
}

var fields = []field{
	{"X-Frame-Options", []string{frameOptions}},
	{"X-Content-Type-Options", []string{nosniff}},
	{"X-Xss-Protection", []string{xssProtection}},
	{"Strict-Transport-Security", []string{fmt.Sprintf("max-age=%d; includeSubDomains", hstsSeconds)}},
	{"Referrer-Policy", []string{referrerPolicy}},
	{"Permissions-Policy", []string{permissions}},
	{"Cross-Origin-Opener-Policy", []string{openerPolicy}},
	{"Cross-Origin-Resource-Policy", []string{resourcePolicy}},
}

func byHand(next http.Handler) http.Handler {
	policy := []string{constantPolicy}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Content-Security-Policy"] = policy
		for i := range fields {
			h[fields[i].name] = fields[i].value
		}
		next.ServeHTTP(w, r)
	})
}

type nonceKey struct{}

func byHandNonced(next http.Handler) http.Handler {
	text := strings.Split(strings.ReplaceAll(noncedPolicy, nonceMark, "'nonce-"+nonceMark+"'"), nonceMark)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var random [16]byte
		rand.Read(random[:]) // never fails
		nonce := base64.RawURLEncoding.EncodeToString(random[:])
		h := w.Header()
		h["Content-Security-Policy"] = []string{text[0] + nonce + text[1] + nonce + text[2]}
		for i := range fields {
			h[fields[i].name] = fields[i].value
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), nonceKey{}, nonce)))
	})
}

func nonceByHand(ctx context.Context) string {
	nonce, _ := ctx.Value(nonceKey{}).(string)
	return nonce
}
