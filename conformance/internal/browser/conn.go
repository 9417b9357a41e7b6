package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// message is a command, its answer, or an event, which has no ID.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

var errGone = errors.New("the browser is gone")

// conn is a connection of the protocol: JSON, each message followed by a zero byte.
// It keeps what happens, so that nobody has to wait before the cause.
type conn struct {
	mu      sync.Mutex // guards the rest
	w       io.Writer
	last    int // ID
	answers map[int]message
	events  []message
	gone    bool
	changed chan struct{} // is closed with each message
}

func newConn(w io.Writer) *conn {
	return &conn{w: w, answers: map[int]message{}, changed: make(chan struct{})}
}

// read takes what comes until there is no more.
func (c *conn) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		var m message
		raw, err := in.ReadBytes(0)
		if err == nil {
			err = json.Unmarshal(raw[:len(raw)-1], &m)
		}
		c.mu.Lock()
		switch {
		case err != nil:
			c.gone = true
		case m.ID > 0:
			c.answers[m.ID] = m
		default:
			c.events = append(c.events, m)
		}
		close(c.changed)
		c.changed = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// call sends a command and waits for its answer.
func (c *conn) call(session, method string, params any) (json.RawMessage, error) {
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	id, err := c.send(message{SessionID: session, Method: method, Params: raw})
	if err != nil {
		return nil, err
	}
	var answer message
	err = c.await(func() bool {
		answer = c.answers[id]
		delete(c.answers, id)
		return answer.ID > 0
	})
	if err == nil && answer.Error != nil {
		err = errors.New(answer.Error.Message)
	}
	return answer.Result, err
}

func (c *conn) send(m message) (id int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	m.ID = c.last
	raw, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	_, err = c.w.Write(append(raw, 0))
	return m.ID, err
}

// await waits until found returns true. It is called with mu held.
func (c *conn) await(found func() bool) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		c.mu.Lock()
		done, gone, changed := found(), c.gone, c.changed
		c.mu.Unlock()
		switch {
		case done:
			return nil
		case gone:
			return errGone
		}
		select {
		case <-changed:
		case <-late.C:
			return fmt.Errorf("nothing came within %s", patience)
		}
	}
}

// mark is where the next event will be.
func (c *conn) mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events)
}

// event waits for one of a session, from a mark on.
func (c *conn) event(session string, from int, match func(message) bool) (m message, err error) {
	err = c.await(func() bool {
		for ; from < len(c.events); from++ {
			if m = c.events[from]; m.SessionID == session && match(m) {
				return true
			}
		}
		return false
	})
	return m, err
}

// seen are the events of a session up to now.
func (c *conn) seen(session string) (events []message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.events {
		if m.SessionID == session {
			events = append(events, m)
		}
	}
	return events
}
