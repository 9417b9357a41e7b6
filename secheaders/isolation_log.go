package secheaders

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// refusalLog writes at most one line in a while for each cause: how many requests are
// refused is up to clients.
type refusalLog struct {
	logger *slog.Logger
	mu     sync.Mutex // guards the rest
	last   [causes]time.Time
	untold [causes]int64
}

const refusalLogEvery = 10 * time.Second

func (l *refusalLog) tell(r *http.Request, c cause, logOnly bool) {
	untold, pass := l.pass(c)
	if !pass {
		return
	}
	message := "secheaders: isolation refused a request"
	if logOnly {
		message = "secheaders: isolation would refuse a request"
	}
	// An escaped path is ASCII without spaces and quotes, and net/http takes only tokens
	// for methods. A query may have secrets in it.
	l.logger.LogAttrs(r.Context(), slog.LevelWarn, message,
		slog.String("cause", c.String()),
		slog.String("method", cut(r.Method, maxLoggedWord)),
		slog.String("path", cut(r.URL.EscapedPath(), maxLoggedPath)),
		slog.String("mode", word(one(r.Header["Sec-Fetch-Mode"]))),
		slog.String("dest", word(one(r.Header["Sec-Fetch-Dest"]))),
		slog.Int64("left_out", untold))
}

func (l *refusalLog) pass(c cause) (untold int64, pass bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.last[c]; !last.IsZero() && now.Sub(last) < refusalLogEvery {
		l.untold[c]++
		return 0, false
	}
	untold, l.last[c], l.untold[c] = l.untold[c], now, 0
	return untold, true
}

const (
	maxLoggedPath = 128
	maxLoggedWord = 20
)

func cut(s string, n int) string { return s[:min(len(s), n)] }

// word is s where it looks like a value of Fetch Metadata.
func word(s string) string {
	if len(s) > maxLoggedWord {
		return "other"
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '-' {
			return "other"
		}
	}
	return s
}
