package markup_test

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/sluice-go/sluice/secheaders"
	"github.com/sluice-go/sluice/secheaders/markup"
)

func Example() {
	t := template.Must(template.New("page").Parse(`<!doctype html><script src="/app.js"></script><p>{{.}}</p>`))
	page, err := markup.New(t)
	if err != nil {
		fmt.Println(err)
		return
	}
	sec, err := secheaders.New(secheaders.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := sec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = page.Execute(r.Context(), w, "<script>not mine</script>")
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	_, nonce, _ := strings.Cut(w.Header().Get("Content-Security-Policy"), "'nonce-")
	nonce, _, _ = strings.Cut(nonce, "'")
	fmt.Println(strings.ReplaceAll(w.Body.String(), nonce, "..."))
	// Output:
	// <!doctype html><script nonce="..." src="/app.js"></script><p>&lt;script&gt;not mine&lt;/script&gt;</p>
}

// The policy of a static site allows the code that its pages have, and no other.
func ExampleHashesFS() {
	site := fstest.MapFS{"index.html": {Data: []byte(`<!doctype html><style>p{margin:0}</style><script>start()</script>`)}}
	code, err := markup.HashesFS(site)
	if err != nil {
		fmt.Println(err)
		return
	}
	document := secheaders.Document()
	document.CSP = document.CSP.Replace(secheaders.ScriptSrc(code.Scripts...), secheaders.StyleSrc(code.Styles...))
	_, err = secheaders.New(secheaders.Options{Document: document})
	fmt.Println(err)
	fmt.Println(code.Scripts)
	// Output:
	// <nil>
	// ['sha256-DIm7WJS6ZKDYe5qFLPy+h4JFI9Bol5QmYC57mt3Fb00=']
}
