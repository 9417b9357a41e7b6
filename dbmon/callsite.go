package dbmon

import (
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	maxFrames = 40   // that are captured; about 1 µs
	maxLines  = 8    // of the application, that make and describe a site
	maxSites  = 1024 // that a monitor remembers
)

// site is where in the application a query was made.
type site struct {
	pcs [maxFrames]uintptr
	n   int

	once     sync.Once
	id       uint64   // of the lines
	lines    []string // of the application, the innermost first
	migrates bool     // a tool for migrations is at work
}

// newSite notes where the caller is. It is put into words when somebody asks.
func newSite() *site {
	s := new(site)
	s.n = runtime.Callers(3, s.pcs[:])
	return s
}

// callSite is the first line of the application up the stack.
func callSite() string { return newSite().String() }

// String is the first line: "users.go:42 store.(*Users).Load", the file with the
// last part of its import path before it.
func (s *site) String() string {
	if s == nil {
		return ""
	}
	s.read()
	if len(s.lines) == 0 {
		return ""
	}
	return s.lines[0]
}

// read puts the stack into words. What tells sites apart is the lines of the
// application, the innermost eight of them: a function called in a loop is one
// site, and one called from two places is two. What the libraries between them do
// makes no difference, and of a function that calls itself, by whatever ways, only
// the innermost frame counts, or each depth would be a site of its own.
func (s *site) read() { s.once.Do(s.resolve) }

func (s *site) resolve() {
	var functions []string
	var spare string // where there is nothing but libraries
	recursion := -1  // the outermost function that called itself, as far as is seen
	frames := runtime.CallersFrames(s.pcs[:s.n])
	for more := s.n > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		where := originOf(f.Function, f.File)
		if where == ofMigrations {
			s.migrates = true
		}
		if spare == "" && (where == ofLibrary || where == ofMigrations) {
			spare = line(f)
		}
		if where != ofApplication {
			continue
		}
		if i := slices.Index(functions, f.Function); i >= 0 {
			recursion = max(recursion, i)
			continue
		}
		functions = append(functions, f.Function)
		if len(s.lines) < maxLines {
			s.lines = append(s.lines, line(f))
		}
	}
	if len(s.lines) == 0 && spare != "" {
		s.lines = []string{spare}
	}
	// Deep in a recursion it is chance what else was captured.
	if s.n == maxFrames && recursion >= 0 {
		s.lines = s.lines[:min(recursion+1, len(s.lines))]
	}
	s.id = idOf(s.lines)
}

func idOf(lines []string) uint64 {
	id := uint64(1)
	for _, l := range lines {
		id = mix(id, hashString(l))
	}
	return id
}

// line is "store/users.go:42 store.(*Users).Load". The folder is of the import
// path: that of the machine is nobody's business.
func line(f runtime.Frame) string {
	pkg, name := splitFunction(f.Function)
	file := path.Base(strings.ReplaceAll(f.File, `\`, "/"))
	last := path.Base(pkg)
	if last != "main" && last != "." {
		file = last + "/" + file
	}
	return file + ":" + strconv.Itoa(f.Line) + " " + last + "." + name
}

// splitFunction splits "example.com/store.(*Users).Load".
func splitFunction(function string) (pkg, name string) {
	slash := strings.LastIndexByte(function, '/') + 1
	if b := strings.IndexByte(function, '['); b >= 0 && b < slash { // type arguments have paths, too
		slash = strings.LastIndexByte(function[:b], '/') + 1
	}
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return function, ""
	}
	return function[:slash+dot], function[slash+dot+1:]
}

// sites remembers stacks, so that each is put into words once.
type sites struct {
	mu      sync.RWMutex
	byStack map[uint64]*site
}

// here is the site of the caller.
func (c *sites) here() *site {
	var pcs [maxFrames]uintptr
	n := runtime.Callers(4, pcs[:])
	h := uint64(n)
	for _, pc := range pcs[:n] {
		h = mix(h, uint64(pc))
	}
	c.mu.RLock()
	s := c.byStack[h]
	c.mu.RUnlock()
	if s != nil && s.n == n && s.pcs == pcs {
		return s
	}
	s = &site{pcs: pcs, n: n}
	s.read()
	c.keep(h, s)
	return s
}

// keep forgets everything once there is too much, as of a tree that is walked by
// a function that calls itself in several places.
func (c *sites) keep(h uint64, s *site) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byStack == nil || len(c.byStack) >= maxSites {
		c.byStack = map[uint64]*site{}
	}
	c.byStack[h] = s
}
