package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	askTime   = 3 * time.Minute  // for a whole answer
	eventTime = 15 * time.Second // for a client to take one event
)

type question struct {
	Question string `json:"question"`
}

type textEvent struct {
	Text string `json:"text"`
}

type doneEvent struct {
	Model string `json:"model"`
	app.Usage
}

// ask answers with an event stream (HTML Standard §9.2): sources once, text for
// each piece, and at the end done, or error with a problem document. An error
// before the first event is an ordinary answer.
func (a *API) ask(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[question](w, r)
	if err != nil {
		return err
	}
	leave, err := a.asks.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()

	s := &stream{w: w, rc: http.NewResponseController(w)}
	sourcesSent := false
	err = a.assistant.Ask(ctx, in.Question, func(part app.AnswerPart) error {
		switch {
		case part.Usage != nil:
			return s.send("done", doneEvent{Model: a.assistant.Model.Name(), Usage: *part.Usage})
		case !sourcesSent: // the first part, even when it holds none
			sourcesSent = true
			return s.send("sources", append([]app.Message{}, part.Sources...))
		default:
			return s.send("text", textEvent{Text: part.Text})
		}
	})
	if err == nil || s.err != nil {
		return nil // s.err: the client is gone
	}
	if !s.begun {
		return err
	}
	a.hooks.OnError(kindOf(r, err), "api")
	if p := a.explain(r, err); p.Status != statusClientGone {
		_ = s.send("error", p)
	}
	return nil
}

// stream writes events, each sent off at once.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
	err   error
}

func (s *stream) send(event string, data any) error {
	body, err := marshal(data) // one line, so one data field
	if err != nil {
		return err
	}
	if !s.begun {
		s.begun = true
		h := s.w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx would wait for a full buffer
	}
	// In place of the server's WriteTimeout, which would cut a long answer: each
	// event gets its own, so that a client that stops reading frees its place.
	// A writer without deadlines keeps what it has.
	_ = s.rc.SetWriteDeadline(time.Now().Add(eventTime))
	if _, s.err = s.w.Write([]byte("event: " + event + "\ndata: " + string(body) + "\n")); s.err == nil {
		s.err = s.rc.Flush()
	}
	return s.err
}
