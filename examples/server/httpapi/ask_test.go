package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/httpapi"
)

// events reads an event stream one event at a time.
type events struct {
	t *testing.T
	*http.Response
	lines *bufio.Scanner
}

func (w *world) stream(ctx context.Context, question string) *events {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"question": question})
	require.NoError(w.t, err)
	req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/api/ask", strings.NewReader(string(body)))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return &events{w.t, resp, bufio.NewScanner(resp.Body)}
}

// next returns the name and the data of the next event, "" at the end.
func (e *events) next() (name, data string) {
	e.t.Helper()
	for e.lines.Scan() {
		line := e.lines.Text()
		if line == "" {
			return name, data
		}
		field, value, ok := strings.Cut(line, ": ")
		require.True(e.t, ok, line)
		switch field {
		case "event":
			name = value
		case "data":
			data = value
		}
	}
	return "", ""
}

func (e *events) require(name, data string) {
	e.t.Helper()
	gotName, gotData := e.next()
	require.Equal(e.t, name, gotName)
	require.JSONEq(e.t, data, gotData)
}

func TestAsk(t *testing.T) {
	t.Run("every event reaches the client before the next one is made", func(t *testing.T) {
		w := newWorld(t)
		w.do("ann POST /api/messages", `{"body":"the deploy runs on Friday"}`).is(t, 201)
		more := make(chan string)
		w.model.generate = func(ctx context.Context, emit func(string) error) (app.Usage, error) {
			for text := range more {
				if err := emit(text); err != nil {
					return app.Usage{}, err
				}
			}
			return app.Usage{PromptTokens: 11, AnswerTokens: 2}, nil
		}
		first := make(chan struct{})
		go func() { more <- "On "; close(first) }()
		e := w.stream(t.Context(), "When is the deploy?")
		<-first
		require.Equal(t, 200, e.StatusCode)
		require.Equal(t, "text/event-stream", e.Header.Get("Content-Type"))
		require.Equal(t, "no-store", e.Header.Get("Cache-Control"))
		require.Equal(t, "no", e.Header.Get("X-Accel-Buffering"))
		name, data := e.next()
		require.Equal(t, "sources", name)
		var sources []app.Message
		require.NoError(t, json.Unmarshal([]byte(data), &sources))
		require.Len(t, sources, 1)
		require.Equal(t, "the deploy runs on Friday", sources[0].Body)
		e.require("text", `{"text":"On "}`)
		more <- "<Friday>\nor so" // made only now: the first text was read while the handler ran
		e.require("text", `{"text":"<Friday>\nor so"}`)
		close(more)
		e.require("done", `{"model":"test model","prompt_tokens":11,"answer_tokens":2}`)
		name, _ = e.next()
		require.Empty(t, name)
	})
	t.Run("no sources are an empty list", func(t *testing.T) {
		w := newWorld(t)
		w.model.generate = func(_ context.Context, emit func(string) error) (app.Usage, error) {
			return app.Usage{}, emit("nothing known")
		}
		e := w.stream(t.Context(), "why?")
		e.require("sources", `[]`)
		e.require("text", `{"text":"nothing known"}`)
		e.require("done", `{"model":"test model","prompt_tokens":0,"answer_tokens":0}`)
	})
	gone := &app.Error{Code: app.CodeUnavailable, Message: "the model is away", Cause: errors.New("dial tcp 10.0.0.7")}
	for _, c := range []struct {
		name, body string
		err        error
		status     int
	}{
		{"a model that is gone is 503", `{"question":"why?"}`, gone, 503},
		{"a model that fails is 500", `{"question":"why?"}`, errors.New("dial tcp 10.0.0.7"), 500},
		{"a model that takes too long is 503", `{"question":"why?"}`, context.DeadlineExceeded, 503},
		{"no question is 422", `{}`, nil, 422},
		{"a long question is 422", `{"question":"` + strings.Repeat("x", 1001) + `"}`, nil, 422},
		{"no JSON is 400", `why?`, nil, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.model.generate = func(context.Context, func(string) error) (app.Usage, error) { return app.Usage{}, c.err }
			a := w.do("POST /api/ask", c.body).is(t, c.status)
			require.NotContains(t, a.body, "10.0.0.7")
			require.Equal(t, c.status == 503, a.header.Get("Retry-After") != "")
		})
	}
	t.Run("a fault after the first text is an error event with a public sentence", func(t *testing.T) {
		w := newWorld(t)
		w.model.generate = func(_ context.Context, emit func(string) error) (app.Usage, error) {
			_ = emit("I think")
			return app.Usage{}, gone
		}
		e := w.stream(t.Context(), "why?")
		e.require("sources", `[]`)
		e.require("text", `{"text":"I think"}`)
		e.require("error", `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"the model is away"}`)
		require.Contains(t, w.log.String(), "10.0.0.7")
	})
	t.Run("a client that leaves stops the model, and nothing is logged", func(t *testing.T) {
		w := newWorld(t)
		stopped := make(chan error, 1)
		w.model.generate = func(ctx context.Context, emit func(string) error) (app.Usage, error) {
			if err := emit("I think"); err != nil {
				return app.Usage{}, err
			}
			<-ctx.Done()
			stopped <- ctx.Err()
			return app.Usage{}, ctx.Err()
		}
		ctx, leave := context.WithCancel(t.Context())
		e := w.stream(ctx, "why?")
		e.require("sources", `[]`)
		e.require("text", `{"text":"I think"}`)
		leave()
		require.ErrorIs(t, receive(t, stopped), context.Canceled)
		require.Eventually(t, func() bool { return w.served() == 1 }, 10*time.Second, time.Millisecond)
		require.Empty(t, w.log.String())
	})
	t.Run("more questions at a time than allowed are 503, and a place is given back", func(t *testing.T) {
		w := newWorld(t, func(o *httpapi.Options) { o.MaxAsks = 1 })
		finish := make(chan struct{})
		w.model.generate = func(_ context.Context, emit func(string) error) (app.Usage, error) {
			_ = emit("hm")
			<-finish
			return app.Usage{}, nil
		}
		e := w.stream(t.Context(), "why?")
		e.require("sources", `[]`)
		require.NotEmpty(t, w.do("POST /api/ask", `{"question":"why?"}`).is(t, 503).header.Get("Retry-After"))
		close(finish)
		e.require("text", `{"text":"hm"}`)
		e.require("done", `{"model":"test model","prompt_tokens":0,"answer_tokens":0}`)
		require.Eventually(t, func() bool { return w.served() == 2 }, 10*time.Second, time.Millisecond)
		w.do("POST /api/ask", `{"question":"why?"}`).is(t, 200)
	})
}

func TestClientGone(t *testing.T) {
	t.Run("a request whose client left before the answer is no fault of ours", func(t *testing.T) {
		w := newWorld(t)
		begun := make(chan struct{})
		w.model.generate = func(ctx context.Context, _ func(string) error) (app.Usage, error) {
			close(begun)
			<-ctx.Done()
			return app.Usage{}, &app.Error{Code: app.CodeUnavailable, Message: "the model is away", Cause: ctx.Err()}
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() { <-begun; leave() }()
		req, err := http.NewRequestWithContext(ctx, "POST", w.url+"/api/ask", strings.NewReader(`{"question":"why?"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		_, err = w.client.Do(req)
		require.ErrorIs(t, err, context.Canceled)
		require.Eventually(t, func() bool { return w.served() == 1 }, 10*time.Second, time.Millisecond)
		require.Empty(t, w.log.String())
		require.Equal(t, []int{499}, w.statuses, "and not an empty 200")
	})
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}
