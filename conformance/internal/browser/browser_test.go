package browser_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/conformance/internal/browser"
)

const policy = "default-src 'none'; script-src 'nonce-abc'"

const document = `<!doctype html>
<script nonce="abc">
document.title = "ran";
console.warn("a word", 7, { object: true });
setTimeout(() => { throw new TypeError("not caught"); });
</script>
<script>document.title = "broken"</script>`

func TestAPageTellsWhatHappensInIt(t *testing.T) {
	var requests atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Security-Policy", policy)
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		_, _ = io.WriteString(w, document)
	}))
	t.Cleanup(srv.Close)
	b := browser.Start(t, browser.Trust(srv.Certificate()))
	page := b.Open(t)
	page.Navigate(srv.URL)
	page.WaitMessage(func(m browser.Message) bool { return m.Kind == browser.Exception })
	page.WaitMessage(func(m browser.Message) bool { return m.Kind == browser.Blocked })
	require.Contains(t, page.Messages(), browser.Message{Kind: browser.Console, Level: "warning", Text: "a word 7 Object"})
	require.Contains(t, page.Errors(), browser.Message{
		Kind: browser.Blocked, Level: "enforce", Directive: "script-src-elem", Violation: "kInlineViolation",
	})

	var title, cookie string
	page.Evaluate(`Promise.resolve(document.title)`, &title)
	require.Equal(t, "ran", title)
	before := requests.Load()
	page.Evaluate(`document.title = "changed"`, nil)
	page.Reload()
	page.Evaluate(`document.title`, &title)
	require.Equal(t, "ran", title)
	require.Greater(t, requests.Load(), before)

	page.Evaluate(`document.cookie`, &cookie)
	require.Equal(t, "seen=1", cookie)
	page.Close()
	other := b.Open(t)
	other.Navigate("about:blank")
	require.Empty(t, other.Messages())
}
