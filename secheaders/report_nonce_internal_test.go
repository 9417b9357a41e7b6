package secheaders

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// nonceSeparators are what stands between the word and the nonce: in policies, markup,
// code and URLs, and escaped for each.
var nonceSeparators = []string{
	"-", "=", "='", `="`, " = ", "\u00a0=\u00a0'", "__='", "__ = \"", "':'", `":"`, `": "`, `\":\"`, `","`, "','", "', '", ":'", ": `", "-'", "-\"",
	"=&quot;", "&quot;:&quot;", "&quot;, &quot;", "&#x3D;&#x22;", "&#61;&#34;", "%3D%22", "%3D", "%253D%2522", "%20%3D%20%27", `\u003d\u0022`, `\u0022:\u0022`,
	`\x3d\x22`, "/", "/v=", "|", "(\"", "['", "']='", "||'", ".value='", "Value = '", "\n=\n'", "", ">", " ",
}

// Trap d.14: "Nonces never in URLs, logs, spans or error reports".
func TestNoncesInOtherForms(t *testing.T) {
	const nonce = "S3cr3tS3cr3tS3cr3t_-Aw"
	for raw, want := range map[string]string{
		"window.__webpack_nonce__='NONCE';":           "window.__webpack_nonce__='*';",
		`{"nonce":"NONCE","a":1}`:                     `{"nonce":"*","a":1}`,
		"s.setAttribute('nonce','NONCE')":             "s.setAttribute('nonce','*')",
		"cspNonce:'NONCE'}":                           "cspNonce:'*'}",
		"<b nonce=&quot;NONCE&quot; src=x>":           "<b nonce=* src=x>",
		"b%20nonce%3D%22NONCE%22 x":                   "b%20nonce* x",
		"nonce-'NONCE' x":                             "nonce-'*' x",
		"nonce\u00a0=\u00a0'NONCE' x":                 "nonce = '*' x",
		`nonce="S3cr3t&#43;S3cr3tS3cr3t" x`:           `nonce="*" x`,
		`{"nonce":"S3cr3t\u002bS3cr3tS3cr3t"}`:        `{"nonce":"*"}`,
		"nonce=document.x.nonce||'NONCE'":             "nonce=*'*'",
		"nonce: a, b, c, d, nonce: e, 'NONCE'":        "nonce: a, b, c, d, nonce: e, '*'",
		"nonce: anameofaaverylongnonce, 'NONCE'":      "nonce: *, '*'",
		"no word before, NONCE":                       "no word before, NONCE",
		"nonce is far away from what follows: NONCE":  "nonce is far away from what follows: NONCE",
		"var nonce = getNonce(); var short = 'abc'; ": "var nonce = * var short = 'abc'; ",
	} {
		got := scrubNonces(printable(strings.ReplaceAll(raw, "NONCE", nonce)), inCode)
		require.Equal(t, strings.ReplaceAll(want, "NONCE", nonce), got, raw)
	}
}

func TestTheRestOfAPolicyIsLeft(t *testing.T) {
	for raw, want := range map[string]string{
		"script-src 'nonce-S3cr3tS3cr3tS3cr3t' 'wasm-unsafe-eval'; upgrade-insecure-requests": "script-src 'nonce-*' 'wasm-unsafe-eval'; upgrade-insecure-requests",
		"script-src 'nonce-S3cr3tS3cr3tS3c+/==' 'sha256-S3cr3tS3cr3tS3cr3t='":                 "script-src 'nonce-*' 'sha256-S3cr3tS3cr3tS3cr3t='",
		"script-src nonce-'S3cr3tS3cr3tS3cr3t'":                                               "script-src nonce-'*'",
		"script-src 'nonce-nonce-S3cr3tS3cr3t'S3cr3tS3cr3tS3cr3t":                             "script-src 'nonce-*'*",
	} {
		require.Equal(t, want, scrubNonces(raw, inPolicy))
		require.Equal(t, want, scrubNonces(want, inPolicy), "scrubbing is done once")
	}
}

func TestURLsHaveNoNonces(t *testing.T) {
	for raw, want := range map[string][2]string{
		"https://a.example/nonce-S3cr3tS3cr3tS3cr3t":            {"https://a.example/nonce-*", "https"},
		"https://a.example/nonce/S3cr3tS3cr3tS3cr3t.js?x":       {"https://a.example/nonce*.js", "https"},
		"https://nonce-test.example:8443/account/settings/page": {"https://nonce-test.example:8443/account/settings/page", "https"},
		"nonce-S3cr3tS3cr3tS3cr3t":                              {"", ""},
		"nonce-S3cr3tS3cr3tS3cr3t:x":                            {"", ""},
		"x+nonce.S3cr3tS3cr3tS3cr3t":                            {"", ""},
	} {
		clean, scheme := scrubURL(raw)
		require.Equal(t, want, [2]string{clean, scheme}, raw)
	}
}

// A browser cuts a sample wherever 40 characters end, also within a nonce.
func TestOfACutNonceNothingIsLeft(t *testing.T) {
	for raw, want := range map[string]string{
		"window.__webpack_nonce__='S3cr3tS3cr3tS3":                       "window.__webpack_nonce__='*",
		"window.__webpack_nonce__='S3cr3tS3cr3tS3…":                      "window.__webpack_nonce__='*",
		`Element innerHTML|<script>{"a":1,"b":"cdefgh","nonce":"S3cr3tS`: `Element innerHTML|<script>{"a":1,"b":"cd`,
		`Element innerHTML|{"aa":1,"nonce":"S3cr3`:                       `Element innerHTML|{"aa":1,"nonce":"*`,
		"let nonce = { short: true }; // loading…":                       "let nonce = * short: true }; // loading…",
		"let nonce ? loading…":                                           "let nonce ? loading…",
	} {
		require.Equal(t, want, cleanSample(raw), raw)
	}
}

// FuzzNonces: whatever stands between the word and a nonce, and around them, the nonce
// is in no field of the result, and of a cut one hardly anything.
func FuzzNonces(f *testing.F) {
	for i := range nonceSeparators {
		f.Add("", "", uint8(i), "nonce", []byte("sixteen bytes it"))
	}
	f.Add("nonce=", "'", uint8(2), "NONCE", []byte{0xff, 0xfe})
	f.Add("'nonce-aaaaaaaaaaaaaaaa", "\\", uint8(17), "Nonce", []byte{1, 2, 3})
	f.Add("nonce: aaaaaaaaaaaaaaaaaaaa", "=", uint8(9), "nonce", []byte("\x00"))
	f.Add("window.__webpack_", "", uint8(6), "nonce", []byte("x"))
	f.Add("nonce=                              x", "", uint8(9), "nonce", []byte("x"))
	f.Fuzz(func(t *testing.T, before, after string, separator uint8, word string, seed []byte) {
		if !strings.EqualFold(word, "nonce") || strings.Contains(before, "//") || len(before)+len(after) > maxReportSize/64 {
			return
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/"
		nonce := "Z" // hosts and schemes are in lower case
		for i := range 21 {
			c := byte(i)
			if len(seed) > 0 {
				c += seed[i%len(seed)] * byte(i+1)
			}
			nonce += alphabet[int(c)%len(alphabet):][:1]
		}
		if strings.Contains(before, nonce[:6]) || strings.Contains(after, nonce[:6]) {
			return
		}
		raw := before + word + nonceSeparators[int(separator)%len(nonceSeparators)] + nonce + after
		for _, text := range []string{raw, "'" + raw + "'", "https://a.example/" + raw, "https://a.example/x?" + raw} {
			record, err := json.Marshal(map[string]any{"csp-report": map[string]any{
				"document-uri": text, "blocked-uri": text, "effective-directive": "script-src " + text, "original-policy": text,
				"source-file": text, "script-sample": text, "referrer": text, "disposition": text}, "user_agent": "x"})
			require.NoError(t, err)
			v, reason := parseReport(record, 2, "x")
			require.Equal(t, kept, reason, "%q", text)
			fields := reflect.ValueOf(v)
			for i := range fields.NumField() {
				if s, ok := fields.Field(i).Interface().(string); ok {
					require.NotContains(t, s, nonce, "%s of %q", fields.Type().Field(i).Name, text)
				}
			}
			for _, kind := range []nonceText{inCode, inPolicy} {
				require.LessOrEqual(t, len(scrubNonces(text, kind)), len(text), "%q", text)
			}
			requireNoCutNonce(t, text, nonce)
		}
	})
}

// requireNoCutNonce cuts as browsers do.
func requireNoCutNonce(t *testing.T, text, nonce string) {
	t.Helper()
	runes := []rune(text)
	if len(runes) <= maxSampleRunes {
		return
	}
	cut := string(runes[:maxSampleRunes])
	require.NotContains(t, cleanSample(cut), nonce[:6], "%q", text)
	require.NotContains(t, cleanSample(cut+"…"), nonce[:6], "%q", text)
	require.True(t, utf8.ValidString(cleanSample(cut)))
}
