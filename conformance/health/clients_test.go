package health_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clients send POST requests one after the other on connections that they keep,
// and send none of them twice.
type clients struct {
	target func(client int) string
	stop   chan struct{}
	all    sync.WaitGroup

	answered, failed atomic.Int64
	mu               sync.Mutex
	faults           []error // the first ones
}

// startClients starts n of them; target is asked before each request.
func startClients(t *testing.T, n int, target func(client int) string) *clients {
	c := &clients{target: target, stop: make(chan struct{})}
	for i := range n {
		c.all.Go(func() { c.run(i) })
	}
	t.Cleanup(func() { // of a test that failed half-way
		select {
		case <-c.stop:
		default:
			c.end()
		}
	})
	return c
}

// end lets each client finish its request.
func (c *clients) end() {
	close(c.stop)
	c.all.Wait()
}

const think = 4 * time.Millisecond // at most, between two requests

func (c *clients) run(i int) {
	transport := &http.Transport{MaxIdleConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: eventually}
	for n := 0; ; n++ {
		select {
		case <-c.stop:
			return
		case <-time.After(rand.N(think)):
		}
		if err := post(client, c.target(i)+"/echo", fmt.Sprintf("client %d, request %d", i, n)); err != nil {
			c.failed.Add(1)
			c.mu.Lock()
			if len(c.faults) < 10 {
				c.faults = append(c.faults, fmt.Errorf("%s: %w", time.Now().Format("05.000"), err))
			}
			c.mu.Unlock()
			continue
		}
		c.answered.Add(1)
	}
}

// post sends one body and wants it back.
func post(client *http.Client, url, body string) error {
	// With GetBody the transport would send a request again when a connection that
	// it had kept turns out to be closed. A type of its own leaves it out.
	r, err := http.NewRequest(http.MethodPost, url, struct{ io.Reader }{strings.NewReader(body)})
	if err != nil {
		return err
	}
	if r.GetBody != nil {
		return errors.New("the request could be sent twice")
	}
	r.ContentLength = int64(len(body))
	resp, err := client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %.80q", resp.StatusCode, answer)
	case string(answer) != body:
		return fmt.Errorf("%q was answered with %.80q", body, answer)
	}
	return nil
}

// tally is what came of a rolling restart.
type tally struct {
	answered, failed int64 // as the clients saw it
	handled          int64 // as the backends counted
	ends, early      int   // of backends, and those that did not take all of Wait
	faults           []error
}

func (s *tally) ended(e ended, wait time.Duration) {
	s.handled += e.Handled
	s.ends++
	if e.Took < wait {
		s.early++
	}
}

// end ends the clients and takes what they counted.
func (s *tally) end(c *clients) {
	c.end()
	s.answered, s.failed, s.faults = c.answered.Load(), c.failed.Load(), c.faults
}

func (s *tally) String() string {
	return fmt.Sprintf("%d of %d requests failed in %d ends, %d of them early", s.failed, s.answered+s.failed, s.ends, s.early)
}
