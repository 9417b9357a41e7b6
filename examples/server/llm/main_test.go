package llm_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// token is a line of an answer as Ollama 0.5 writes it.
func token(text string) string {
	content, _ := json.Marshal(text)
	return fmt.Sprintf(`{"model":"llama3.2","created_at":"2026-01-31T12:00:00.123456789Z",`+
		`"message":{"role":"assistant","content":%s},"done":false}`+"\n", content)
}

const last = `{"model":"llama3.2","created_at":"2026-01-31T12:00:01.5Z","message":{"role":"assistant","content":""},` +
	`"done_reason":"stop","done":true,"total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,` +
	`"prompt_eval_duration":342546000,"eval_count":282,"eval_duration":4535599000}` + "\n"

// wire writes pieces of a chunked answer, each in a TCP segment of its own,
// until ctx, which ends with the connection.
type wire struct {
	net.Conn
	gone context.Context
}

func (w wire) head(status string) {
	fmt.Fprintf(w, "HTTP/1.1 %s\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n", status)
}

func (w wire) chunk(text string) { fmt.Fprintf(w, "%x\r\n%s\r\n", len(text), text) }

func (w wire) end() { fmt.Fprint(w, "0\r\n\r\n") }

// ollama is a real server that answers with what script writes, and passes on
// the requests it got.
func ollama(t *testing.T, script func(wire)) (url string, requests chan *http.Request) {
	t.Helper()
	requests = make(chan *http.Request, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		r = r.WithContext(context.WithValue(context.Background(), bodyKey{}, body))
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		requests <- r
		gone, leave := context.WithCancel(context.Background())
		go func() { // the client sends no more: a read ends with the connection
			defer leave()
			_, _ = bufio.NewReader(rw).ReadByte()
		}()
		script(wire{conn, gone})
		_ = conn.Close()
		<-gone.Done()
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

type bodyKey struct{}

func bodyOf(r *http.Request) string {
	body, _ := r.Context().Value(bodyKey{}).(json.RawMessage)
	return string(body)
}

func newOllama(t *testing.T, o llm.OllamaOptions) *llm.Ollama {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	o.Client = &http.Client{Transport: transport}
	m, err := llm.NewOllama(o)
	require.NoError(t, err)
	return m
}

// ask returns all text of an answer.
func ask(t *testing.T, m app.Model, sources ...app.Message) (string, app.Usage, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var b strings.Builder
	usage, err := m.Generate(ctx, "What broke?", sources, func(text string) error {
		b.WriteString(text)
		return nil
	})
	return b.String(), usage, err
}
