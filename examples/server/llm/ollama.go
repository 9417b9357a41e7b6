package llm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// OllamaOptions say which model answers, and where.
type OllamaOptions struct {
	URL   string // e.g. http://127.0.0.1:11434. Required.
	Model string // Default: llama3.2.

	// Client makes the requests. Its Timeout would cut long answers, so it
	// should have none. Default: http.DefaultClient.
	Client *http.Client

	FirstToken time.Duration // Silence before an answer, while the model loads. Default: 30 s.
	Idle       time.Duration // Silence within an answer. Default: 15 s.
	MaxTokens  int           // Length of an answer. Default: 1024.
}

// Ollama is a model behind the HTTP API of Ollama. It implements [app.Model].
type Ollama struct {
	base       *url.URL
	user       *url.Userinfo // kept apart from base, which shows up in errors
	model      string
	client     *http.Client
	firstToken time.Duration
	idle       time.Duration
	maxTokens  int
}

// NewOllama checks the options and returns a model. It connects to nothing.
func NewOllama(o OllamaOptions) (*Ollama, error) {
	var faults []error
	check := func(ok bool, field, reason string) {
		if !ok {
			faults = append(faults, errors.New("llm: "+field+": "+reason))
		}
	}
	// The parser's error would repeat the URL with its password.
	base, err := url.Parse(o.URL)
	check(err == nil && (base.Scheme == "http" || base.Scheme == "https") && base.Host != "" &&
		base.RawQuery == "" && base.Fragment == "", "URL", "must be like http://127.0.0.1:11434")
	check(o.FirstToken >= 0, "FirstToken", "must not be negative")
	check(o.Idle >= 0, "Idle", "must not be negative")
	check(o.MaxTokens >= 0, "MaxTokens", "must not be negative")
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	user := base.User
	base.User = nil
	return &Ollama{
		base:       base,
		user:       user,
		model:      cmp.Or(o.Model, "llama3.2"),
		client:     cmp.Or(o.Client, http.DefaultClient),
		firstToken: cmp.Or(o.FirstToken, 30*time.Second),
		idle:       cmp.Or(o.Idle, 15*time.Second),
		maxTokens:  cmp.Or(o.MaxTokens, 1024),
	}, nil
}

// Name returns the name of the model.
func (o *Ollama) Name() string { return o.model }

// contextSize holds the sources, the question and the answer. Ollama would
// silently drop what exceeds its own default.
const contextSize = 8192

type chatRequest struct {
	Model    string        `json:"model"`
	Messages []chatMessage `json:"messages"`
	Stream   bool          `json:"stream"`
	Options  chatOptions   `json:"options"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatOptions struct {
	NumPredict int `json:"num_predict"`
	NumCtx     int `json:"num_ctx"`
}

// Generate asks the model and hands on its text as it arrives.
func (o *Ollama) Generate(ctx context.Context, question string, sources []app.Message, emit func(string) error) (app.Usage, error) {
	// What encodes here is numbers and text.
	body, _ := json.Marshal(chatRequest{Model: o.model, Stream: true, Messages: prompt(question, sources),
		Options: chatOptions{NumPredict: o.maxTokens, NumCtx: contextSize}})

	watched, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(o.firstToken, func() { cancel(errSilent) })
	defer silence.Stop()

	res, err := o.do(watched, http.MethodPost, "/api/chat", bytes.NewReader(body))
	if err != nil {
		return app.Usage{}, o.explain(ctx, watched, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return app.Usage{}, o.explain(ctx, watched, statusError(res))
	}

	var emitErr error
	// A model that thinks aloud sends lines without text: they count as life too.
	usage, err := readStream(&pulse{res.Body, func() { silence.Reset(o.idle) }}, func(text string) error {
		silence.Stop() // the time of whoever takes the text is not the model's
		defer silence.Reset(o.idle)
		emitErr = emit(text)
		return emitErr
	})
	if emitErr != nil {
		return usage, emitErr
	}
	if err != nil {
		return usage, o.explain(ctx, watched, err)
	}
	return usage, nil
}

func (o *Ollama) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, o.base.JoinPath(path).String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if o.user != nil {
		password, _ := o.user.Password()
		req.SetBasicAuth(o.user.Username(), password)
	}
	return o.client.Do(req)
}

// pulse calls beat for whatever it reads.
type pulse struct {
	io.Reader
	beat func()
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.beat()
	return n, err
}

var errSilent = errors.New("the model sent nothing for too long")

// explain returns the end of the caller's context as it is, and makes of any
// other error one that is safe to show.
func (o *Ollama) explain(ctx, watched context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	public := "the language model cannot answer at the moment; try again later"
	if cause := context.Cause(watched); cause != nil {
		public, err = "the language model took too long; try again later", cause
	}
	return &app.Error{Code: app.CodeUnavailable, Message: public, Cause: fmt.Errorf("llm: %s: %w", o.base.Host, err)}
}

// statusError describes a refusal. Ollama gives its reason as JSON; anything
// else in its place may be of any size and is left alone.
func statusError(res *http.Response) error {
	var refusal struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(res.Body, maxLine)).Decode(&refusal)
	if refusal.Error == "" {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return fmt.Errorf("status %d: %s", res.StatusCode, clip(refusal.Error, 200))
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n])) + "…"
	}
	return s
}
