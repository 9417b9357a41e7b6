package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnswersComeFromOllamaWhereThereIsOne(t *testing.T) {
	asked := make(chan string, 1)
	ollama := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Model    string
			Stream   bool
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/api/chat" || in.Model != "tiny" || !in.Stream {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var all strings.Builder
		for _, m := range in.Messages {
			all.WriteString(m.Content)
		}
		asked <- all.String()
		for _, line := range []string{
			`{"message":{"role":"assistant","content":"On the "},"done":false}`,
			`{"message":{"role":"assistant","content":"second shelf."},"done":false}`,
			`{"message":{"role":"assistant","content":""},"done":true,"prompt_eval_count":40,"eval_count":5}`,
		} {
			_, _ = io.WriteString(w, line+"\n")
			w.(http.Flusher).Flush()
		}
	}))
	defer ollama.Close()
	s := start(t, map[string]string{"OLLAMA_URL": ollama.URL, "OLLAMA_MODEL": "tiny"})
	require.Contains(t, s.out.String(), "AI        tiny")
	c := &client{t: t, base: s.url}
	ask := func() (*http.Response, string) {
		return c.do("POST", "/api/ask", strings.NewReader(`{"question":"Where are the spare seals?"}`),
			map[string]string{"Content-Type": "application/json"})
	}
	res, text := ask()
	require.Equal(t, 200, res.StatusCode, text)
	require.Contains(t, <-asked, "Spare seals are in the workshop", "the model is given what was found")
	require.Contains(t, text, `{"text":"On the "}`)
	require.Contains(t, text, `{"model":"tiny","prompt_tokens":40,"answer_tokens":5}`)

	ollama.Close()
	res, text = ask()
	require.Equal(t, 503, res.StatusCode, text)
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	require.NotContains(t, text, "127.0.0.1", "no cause reaches a client")
	c.becomes("/health/readiness", "degraded") // the rest goes on
}
