package browser

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
)

// Kinds of messages.
const (
	Console   = "console"   // of the page's own code
	Log       = "log"       // of the browser
	Exception = "exception" // that nobody caught
	Blocked   = "blocked"   // by a Content-Security-Policy, or only reported by one
)

// Message is what a developer sees in the console of a page.
type Message struct {
	Kind string
	// Level is that of Console and Log ("log", "warning", "error", ...), and for
	// Blocked the disposition, "enforce" or "report".
	Level string
	// Text is what was logged or thrown.
	Text string
	// Directive, URL and Violation are for Blocked: the effective directive, what was
	// blocked if it has a URL, and its kind, such as "kInlineViolation".
	Directive, URL, Violation string
}

// Messages are those of the page up to now.
func (p *Page) Messages() (all []Message) {
	for _, e := range p.browser.conn.seen(p.session) {
		if m, ok := messageOf(e); ok {
			all = append(all, m)
		}
	}
	return all
}

// Errors are the messages of a page that does not work as it should: exceptions,
// what was logged as an error, and what a policy blocked.
func (p *Page) Errors() (all []Message) {
	for _, m := range p.Messages() {
		if m.Kind == Exception || m.Level == "error" || m.Level == "enforce" {
			all = append(all, m)
		}
	}
	return all
}

// WaitMessage waits for the first message, also of those before the call, that match
// takes.
func (p *Page) WaitMessage(match func(Message) bool) (m Message) {
	p.t.Helper()
	_, err := p.browser.conn.event(p.session, 0, func(e message) bool {
		var ok bool
		m, ok = messageOf(e)
		return ok && match(m)
	})
	require.NoError(p.t, err, "there is no such message")
	return m
}

func messageOf(e message) (m Message, ok bool) {
	switch e.Method {
	case "Runtime.consoleAPICalled":
		return consoleMessage(e.Params)
	case "Log.entryAdded":
		return logMessage(e.Params)
	case "Runtime.exceptionThrown":
		return exceptionMessage(e.Params)
	case "Audits.issueAdded":
		return blockedMessage(e.Params)
	}
	return m, false
}

func consoleMessage(params json.RawMessage) (Message, bool) {
	var e struct {
		Type string
		Args []struct {
			Value       any
			Description string
		}
	}
	if json.Unmarshal(params, &e) != nil {
		return Message{}, false
	}
	var words []string
	for _, a := range e.Args {
		word := a.Description
		if word == "" {
			word = fmt.Sprint(a.Value)
		}
		words = append(words, word)
	}
	return Message{Kind: Console, Level: e.Type, Text: strings.Join(words, " ")}, true
}

func logMessage(params json.RawMessage) (Message, bool) {
	var e struct {
		Entry struct{ Level, Text, URL string }
	}
	err := json.Unmarshal(params, &e)
	return Message{Kind: Log, Level: e.Entry.Level, Text: e.Entry.Text, URL: e.Entry.URL}, err == nil
}

// exception is the protocol's ExceptionDetails.
type exception struct {
	Text      string
	Exception struct{ Description string }
}

func (e *exception) text() string { return e.Text + " " + e.Exception.Description }

func exceptionMessage(params json.RawMessage) (Message, bool) {
	var e struct{ ExceptionDetails exception }
	err := json.Unmarshal(params, &e)
	return Message{Kind: Exception, Text: e.ExceptionDetails.text()}, err == nil
}

func blockedMessage(params json.RawMessage) (Message, bool) {
	var e struct {
		Issue struct {
			Details struct {
				Blocked *struct {
					Directive  string `json:"violatedDirective"`
					URL        string `json:"blockedURL"`
					Type       string `json:"contentSecurityPolicyViolationType"`
					ReportOnly bool   `json:"isReportOnly"`
				} `json:"contentSecurityPolicyIssueDetails"`
			}
		}
	}
	if json.Unmarshal(params, &e) != nil || e.Issue.Details.Blocked == nil {
		return Message{}, false
	}
	b := e.Issue.Details.Blocked
	m := Message{Kind: Blocked, Level: "enforce", Directive: b.Directive, URL: b.URL, Violation: b.Type}
	if b.ReportOnly {
		m.Level = "report"
	}
	return m, true
}
