package app

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxMessageBody is the longest message body in characters.
const MaxMessageBody = 2000

// Message is one line of the chat.
type Message struct {
	ID        int64     `json:"id"`
	Username  string    `json:"username"`
	Type      string    `json:"type"` // text, system or answer
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int64     `json:"version"`
}

// MessageFilter narrows a list of messages; zero fields match all.
type MessageFilter struct {
	Username string
	Type     string
}

// Validate reports every rule that m breaks.
func (m *Message) Validate() error {
	v := invalid{}
	v.check(username.MatchString(m.Username), "username", "is not a user name")
	v.check(m.Type == "text" || m.Type == "system" || m.Type == "answer", "type",
		"must be text, system or answer")
	v.check(strings.TrimSpace(m.Body) != "", "body", "must not be empty")
	v.check(utf8.ValidString(m.Body), "body", "must be valid UTF-8")
	v.check(utf8.RuneCountInString(m.Body) <= MaxMessageBody, "body", "must have at most 2000 characters")
	v.check(!strings.Contains(m.Body, "\x00"), "body", "must not contain a zero byte")
	return v.err()
}

// Broadcaster tells the listeners of the chat about a stored message. It never
// blocks on a slow listener.
type Broadcaster interface {
	Broadcast(Message)
}

// Chat is the one way a message comes into being, over REST or a WebSocket: it
// is stored first and told second, so that no listener sees what was lost.
type Chat struct {
	Messages  Messages
	Listeners Broadcaster
}

// Post stores m and tells the listeners.
func (c *Chat) Post(ctx context.Context, m Message) (Message, error) {
	if err := m.Validate(); err != nil {
		return Message{}, err
	}
	stored, err := c.Messages.CreateMessage(ctx, m)
	if err != nil {
		return Message{}, err
	}
	c.Listeners.Broadcast(stored)
	return stored, nil
}
