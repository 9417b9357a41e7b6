package secheaders_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
)

// Trap d.7: connect-src 'self' covers wss on the same host and port.
func TestSocketsOfTheSameOriginOpen(t *testing.T) {
	chromium := startChromium(t)
	s := newSite(t, secheaders.Options{})
	s.page("/{$}", `<script nonce="{{.}}">
	window.ask = (url) => new Promise((resolve) => {
		const socket = new WebSocket(url);
		socket.onopen = () => socket.send("hello");
		socket.onmessage = (e) => resolve(e.data);
		socket.onerror = () => resolve("refused");
	});
	</script>`)
	var strangers atomic.Int32
	s.pages.HandleFunc("/socket", echo)
	s.bare.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		strangers.Add(1)
		echo(w, r)
	})
	page := chromium.Open(t)
	page.Navigate(s.app + "/")
	ask := func(origin string) (answer string) {
		page.Evaluate(fmt.Sprintf("ask(%q)", strings.Replace(origin, "https:", "wss:", 1)+"/socket?token=secret"), &answer)
		return answer
	}
	require.Equal(t, "hello", ask(s.app))
	s.none(t)
	require.Equal(t, "refused", ask(s.stranger))
	v := s.violation(t)
	require.Equal(t, "connect-src", v.Directive)
	require.Equal(t, strings.Replace(s.stranger, "https:", "wss:", 1)+"/socket", v.Blocked)
	require.Zero(t, strangers.Load())
	// It was the policy: elsewhere it opens.
	file(s.bare, "/{$}", "text/html", "<!doctype html>")
	page.Navigate(s.stranger + "/")
	page.Evaluate(`void (window.ask = (url) => new Promise((resolve, reject) => {
		const socket = new WebSocket(url);
		socket.onopen = () => socket.send("hello");
		socket.onmessage = (e) => resolve(e.data);
		socket.onerror = reject;
	}))`, nil)
	require.Equal(t, "hello", ask(s.stranger))
}

// echo sends one message back.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	kind, message, err := conn.Read(r.Context())
	if err == nil {
		_ = conn.Write(r.Context(), kind, message)
	}
	_ = conn.CloseRead(r.Context())
	<-r.Context().Done()
}
