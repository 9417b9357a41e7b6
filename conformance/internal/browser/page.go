package browser

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Page is a tab. Its methods fail the test when something goes wrong.
type Page struct {
	browser *Browser
	t       testing.TB
	session string
	target  string // also the ID of its frame
	context string
	loader  string // of the document that is there
	closed  sync.Once
}

func (p *Page) call(method string, params, result any) {
	p.t.Helper()
	p.browser.call(p.t, p.session, method, params, result)
}

// Navigate loads a document, and returns when it and what it needs have loaded.
func (p *Page) Navigate(url string) {
	p.t.Helper()
	from := p.browser.conn.mark()
	var result struct{ LoaderID, ErrorText string }
	p.call("Page.navigate", map[string]any{"url": url}, &result)
	require.Empty(p.t, result.ErrorText, url)
	p.loaded(from, func(loader string) bool { return loader == result.LoaderID })
}

// Reload is what F5 does: it asks the server whether the document has changed.
func (p *Page) Reload() {
	p.t.Helper()
	from, before := p.browser.conn.mark(), p.loader
	p.call("Page.reload", nil, nil)
	p.loaded(from, func(loader string) bool { return loader != before })
}

func (p *Page) loaded(from int, by func(loader string) bool) {
	p.t.Helper()
	_, err := p.browser.conn.event(p.session, from, func(m message) bool {
		var e struct{ FrameID, LoaderID, Name string }
		if m.Method != "Page.lifecycleEvent" || json.Unmarshal(m.Params, &e) != nil {
			return false
		}
		if e.Name != "load" || e.FrameID != p.target || !by(e.LoaderID) {
			return false
		}
		p.loader = e.LoaderID
		return true
	})
	require.NoError(p.t, err, "the page does not load")
}

// Evaluate runs an expression as if the user had just clicked, waits for it if it is
// a promise, and decodes its value if result is not nil. The policy of the page does
// not hold for the expression itself.
func (p *Page) Evaluate(expression string, result any) {
	p.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *exception
	}
	p.call("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &answer)
	if answer.ExceptionDetails != nil {
		require.FailNow(p.t, answer.ExceptionDetails.text(), expression)
	}
	if result != nil {
		require.NoError(p.t, json.Unmarshal(answer.Result.Value, result), expression)
	}
}

// Close closes the page, and forgets its cookies and its cache.
func (p *Page) Close() {
	p.closed.Do(func() {
		p.browser.call(p.t, "", "Target.disposeBrowserContext", map[string]any{"browserContextId": p.context}, nil)
	})
}
