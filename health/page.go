package health

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// refresh is how old the time in an answer may be. Whoever asks more often gets
// the same bytes again.
const refresh = 100 * time.Millisecond

// page is one form of one answer. It is rendered when somebody asks after
// something has changed, so that a probe costs the same for any number of checks.
type page struct {
	group  *group
	format *format
	view   view

	current atomic.Pointer[sheet]
	mu      sync.Mutex // one renders, the others wait for it
}

// sheet is a rendered answer. It never changes.
type sheet struct {
	version uint64 // of the checker, when rendering began
	until   respw.Instant
	code    int
	length  []string
	body    []byte
}

func (s *sheet) current(c *Checker) bool {
	return s != nil && s.version == c.version.Load() && respw.Now() < s.until
}

func (p *page) get() *sheet {
	if s := p.current.Load(); s.current(p.group.checker) {
		return s
	}
	return p.renew()
}

func (p *page) renew() *sheet {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.current.Load(); s.current(p.group.checker) {
		return s
	}
	version := p.group.checker.version.Load() // before looking, so that no change is missed
	stand := p.group.stand(nil)
	s := newSheet(stand, p.format.render(stand, p.view))
	s.version = version
	p.current.Store(s)
	return s
}

func newSheet(s *standing, body []byte) *sheet {
	valid := refresh
	if !s.until.IsZero() {
		valid = min(valid, time.Until(s.until)) // rendering may have taken long
	}
	code := http.StatusOK
	if s.level >= unknown {
		code = http.StatusServiceUnavailable
	}
	return &sheet{until: respw.Now() + respw.Instant(valid), code: code, length: []string{strconv.Itoa(len(body))}, body: body}
}

// view is what an answer may show.
type view struct {
	title      string // in text
	components bool   // their status and reason
	details    bool   // and everything else
	verbose    bool   // components in text though all is well
}
