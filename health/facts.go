package health

import (
	"context"
	"math"
	"strings"
	"sync"
	"unicode"
)

const (
	maxFacts = 16  // for each run
	maxText  = 256 // bytes of a fact that is text
)

type factsKey struct{}

// facts are what a run of a check has to tell besides its error.
type facts struct {
	mu     sync.Mutex
	values map[string]any
	taken  bool // the run is over
}

// Set adds a fact to the result of the check that ctx was given to, such as the
// number of connections. It is shown in details under its key, which is up to 32
// lower case letters, digits and underscores. The value is a string, a bool, an
// int, an int64 or a float64. What is neither, a number that is not finite, a key that
// the details use themselves, and what comes after 16 others or after the end of
// the run, is left out; text is cut at 256 bytes and loses control characters.
func Set(ctx context.Context, key string, value any) {
	f, _ := ctx.Value(factsKey{}).(*facts)
	if f == nil || !isWord(key, 32) || isDetail(key) {
		return
	}
	switch v := value.(type) {
	case bool, int, int64:
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
	case string:
		value = printable(clip(v, maxText))
	default:
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.values[key]; f.taken || !known && len(f.values) >= maxFacts {
		return
	}
	if f.values == nil {
		f.values = map[string]any{}
	}
	f.values[key] = value
}

// take ends the collection: what a stuck check says later is about another time.
func (f *facts) take() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = true
	return f.values
}

// printable takes out what a terminal would act upon, and what would forge lines
// of a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// clip cuts s to n bytes and makes it valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
