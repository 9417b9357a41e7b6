package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/stretchr/testify/require"
)

// client is a user of the running service.
type client struct {
	t     *testing.T
	base  string
	token string
}

func (c *client) do(method, path string, body io.Reader, header map[string]string) (*http.Response, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	require.NoError(c.t, err)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return res, string(text)
}

func (c *client) json(method, path, body string, status int, header ...string) (map[string]any, http.Header) {
	c.t.Helper()
	h := map[string]string{}
	if body != "" {
		h["Content-Type"] = "application/json"
	}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	res, text := c.do(method, path, strings.NewReader(body), h)
	require.Equal(c.t, status, res.StatusCode, "%s %s: %s", method, path, text)
	if text == "" {
		return nil, res.Header
	}
	if status >= 400 {
		require.Equal(c.t, "application/problem+json", res.Header.Get("Content-Type"))
	}
	return decode(c.t, text), res.Header
}

func decode(t *testing.T, text string) (doc map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &doc), text)
	return doc
}

func (c *client) get(path string, status int) map[string]any {
	c.t.Helper()
	doc, _ := c.json("GET", path, "", status)
	return doc
}

// becomes waits until a health path tells of a status: checks run in the background,
// the first of them too.
func (c *client) becomes(path, status string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		_, text := c.do("GET", path, nil, nil)
		return decode(c.t, text)["status"] == status
	}, noticed, 20*time.Millisecond, "%s is not %s", path, status)
}

func (c *client) login(user, password string) {
	c.t.Helper()
	in, err := json.Marshal(map[string]string{"username": user, "password": password})
	require.NoError(c.t, err)
	doc, _ := c.json("POST", "/api/login", string(in), 200)
	c.token = doc["token"].(string)
}

func (c *client) dial(token string) *websocket.Conn {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	o := &websocket.DialOptions{HTTPHeader: http.Header{}}
	if token != "" {
		o.HTTPHeader.Set("Authorization", "Bearer "+token)
	}
	socket, _, err := websocket.Dial(ctx, c.base+"/ws/chat", o)
	require.NoError(c.t, err)
	return socket
}

// exercise visits every route of a server with demonstration data.
func exercise(t *testing.T, public, admin, password string) {
	c := &client{t: t, base: public}
	for _, path := range []string{"/health/liveness", "/health/readiness", "/health/startup"} {
		c.becomes(path, "healthy")
		require.Equal(t, "healthy", c.get(path, 200)["status"], path)
	}
	require.Contains(t, []any{"healthy", "degraded"}, c.get("/health", 200)["status"], "a disk may be full")
	for _, path := range []string{"/livez", "/readyz", "/startupz", "/healthz"} {
		_, text := c.do("GET", path, nil, nil)
		require.Equal(t, "ok", text, path)
	}
	res, page := c.do("GET", "/", nil, nil)
	require.Equal(t, 200, res.StatusCode)
	require.Contains(t, page, "Measure the flow at the gate", "a seeded ticket")
	require.Contains(t, page, admin+"/metrics")
	require.NotEmpty(t, res.Header.Get("X-Request-Id"))
	nonce := regexp.MustCompile(`'nonce-([A-Za-z0-9_-]{22})'`).FindStringSubmatch(res.Header.Get("Content-Security-Policy"))
	require.NotNil(t, nonce)
	require.Contains(t, page, `<script type="module" nonce="`+nonce[1]+`">`)

	for _, kind := range []string{"messages", "projects", "tickets", "files"} {
		items := c.get("/api/"+kind+"?limit=2", 200)["items"].([]any)
		require.Len(t, items, 2, kind)
		id := strconv.Itoa(int(items[0].(map[string]any)["id"].(float64)))
		require.Equal(t, items[0], any(c.get("/api/"+kind+"/"+id, 200)), kind)
	}
	c.get("/api/users", 401)
	c.get("/api/nothing", 404)
	c.json("DELETE", "/api/messages", "", 405)
	c.json("POST", "/api/messages", `{"body":"x"}`, 401)

	c.login("admin", password)
	require.NotEmpty(t, c.get("/api/users", 200)["items"])
	require.Equal(t, "admin", c.get("/api/me", 200)["username"])
	exerciseTickets(t, c)
	exerciseFiles(t, c)
	exerciseChat(t, c)
	exerciseAsk(t, c)
	c.json("POST", "/api/logout", "", 204)
	c.get("/api/me", 401)

	browser := &client{t: t, base: public}
	res, _ = browser.do("POST", "/csp-reports", strings.NewReader(`{"csp-report":{"document-uri":"`+public+`/","effective-directive":"img-src","disposition":"enforce","blocked-uri":"https://a.example/x"}}`),
		map[string]string{"Content-Type": "application/csp-report"})
	require.Equal(t, 204, res.StatusCode)

	ops := &client{t: t, base: admin}
	exerciseDemo(t, browser, ops)
	exerciseMetrics(t, ops)
	for _, component := range []string{"database", "ai", "websocket", "cpu", "memory", "disk"} {
		require.Contains(t, ops.get("/health/detailed", 200)["components"], component)
	}
	for _, path := range []string{"/", "/debug", "/debug/vars", "/debug/pprof/", "/debug/pprof/goroutine?debug=1"} {
		res, _ := ops.do("GET", path, nil, nil)
		require.Equal(t, 200, res.StatusCode, path)
	}
}

func exerciseTickets(t *testing.T, c *client) {
	project, _ := c.json("POST", "/api/projects", `{"name":"Smoke","status":"active"}`, 201)
	projectID := strconv.Itoa(int(project["id"].(float64)))
	ticket, header := c.json("POST", "/api/tickets",
		`{"project_id":`+projectID+`,"title":"Smoke test","priority":"high","due_date":"2031-05-06T07:08:09Z"}`, 201)
	path, tag := header.Get("Location"), header.Get("Etag")
	require.Equal(t, "open", ticket["status"])
	change := `{"project_id":` + projectID + `,"title":"Smoke test","status":"done","priority":"high"}`
	c.json("PUT", path, change, 428)
	_, header = c.json("PUT", path, change, 200, "If-Match", tag)
	c.json("PUT", path, change, 412, "If-Match", tag)
	require.NotEqual(t, tag, header.Get("Etag"))
	c.json("GET", path, "", 304, "If-None-Match", header.Get("Etag"))
	c.json("POST", "/api/tickets", `{"project_id":999999,"title":"x"}`, 422)
	c.json("POST", "/api/tickets", `{"project_id":1,"title":"x","colour":"red"}`, 400)
	c.json("POST", "/api/tickets", `{"title":`, 400)
	require.Len(t, c.get("/api/tickets?status=done&project_id="+projectID, 200)["items"], 1)
	c.json("DELETE", "/api/projects/"+projectID, "", 409)
	c.json("DELETE", path, "", 204)
	c.json("DELETE", "/api/projects/"+projectID, "", 204)
}

func exerciseFiles(t *testing.T, c *client) {
	content := bytes.Repeat([]byte("all work and no play\n"), 10_000)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	require.NoError(t, w.WriteField("project_id", "1"))
	part, err := w.CreateFormFile("file", "play.txt")
	require.NoError(t, err)
	_, err = part.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	res, text := c.do("POST", "/api/files", &form, map[string]string{"Content-Type": w.FormDataContentType()})
	require.Equal(t, 201, res.StatusCode, text)
	path := res.Header.Get("Location")

	res, got := c.do("GET", path+"/content", nil, map[string]string{"Accept-Encoding": "identity"}) // so that its length is known
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, string(content), got)
	res, got = c.do("GET", path+"/content", nil, map[string]string{"Range": "bytes=21-40"})
	require.Equal(t, 206, res.StatusCode)
	require.Equal(t, "all work and no play", got)
	c.json("DELETE", path, "", 204)
	c.get(path+"/content", 404)
}

func exerciseChat(t *testing.T, c *client) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	speaker, listener := c.dial(c.token), c.dial("")
	defer speaker.CloseNow()
	defer listener.CloseNow()
	read := func(socket *websocket.Conn) (frame struct {
		Kind, Username string
		Message        json.RawMessage
	}) {
		require.NoError(t, wsjson.Read(ctx, socket, &frame))
		return frame
	}
	require.Equal(t, "admin", read(speaker).Username)
	require.Equal(t, "welcome", read(listener).Kind)
	require.NoError(t, wsjson.Write(ctx, speaker, map[string]string{"body": "hello from the smoke test"}))
	heard := read(listener)
	require.Equal(t, "message", heard.Kind)
	var message struct {
		ID             int64
		Body, Username string
	}
	require.NoError(t, json.Unmarshal(heard.Message, &message))
	require.Equal(t, "hello from the smoke test", message.Body)
	stored := "/api/messages/" + strconv.FormatInt(message.ID, 10)
	require.Equal(t, "admin", c.get(stored, 200)["username"])
	c.json("DELETE", stored, "", 204)
}

func exerciseAsk(t *testing.T, c *client) {
	res, text := c.do("POST", "/api/ask", strings.NewReader(`{"question":"Where are the spare seals?"}`),
		map[string]string{"Content-Type": "application/json"})
	require.Equal(t, 200, res.StatusCode, text)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	var events []string
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok && (len(events) == 0 || events[len(events)-1] != name) {
			events = append(events, name)
		}
	}
	require.Equal(t, []string{"sources", "text", "done"}, events)
	require.Contains(t, text, "Spare seals are in the workshop", "the answer rests on a stored message")
}
