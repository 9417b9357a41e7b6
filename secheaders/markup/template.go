package markup

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/sluice-go/sluice/secheaders"
)

// Template is a set of templates whose script, style and link tags bear the nonce of
// the response. It may be used by several goroutines.
type Template struct {
	set *template.Template
	// mark stands where an attribute is to be written: a text of no length, which is
	// known by where it lies in memory.
	mark  []byte
	entry map[string]*entry
}

// ErrUnclosed means that a template is called between tags and ends within a tag, an
// attribute, a comment, a script or a style. At its second call html/template takes it
// to have ended where it began, and escapes what follows for the wrong place; which call
// is the second one would depend on [New].
var ErrUnclosed = errors.New("markup: a template ends within a tag, an attribute, a comment, a script or a style")

// entry is what is known of a template that may be executed by its name.
type entry struct {
	nonced bool // it, or one that it uses, has a mark
	err    error
}

// New returns the templates of t and those associated with it. t itself stays as it
// is; it must have been parsed, and must not have been executed yet.
func New(t *template.Template) (*Template, error) {
	if t == nil {
		return nil, errors.New("markup: there is no template")
	}
	set, err := t.Clone()
	if err != nil {
		return nil, fmt.Errorf("markup: %w", err)
	}
	m := &Template{set: set, mark: make([]byte, 0, 1), entry: map[string]*entry{}}
	trees := map[string]*parse.Tree{}
	for _, x := range set.Templates() {
		if x.Tree != nil && x.Tree.Root != nil {
			trees[x.Name()] = x.Tree
			m.entry[x.Name()] = &entry{}
		}
	}
	names := calleesFirst(trees)
	if err := m.escape(names); err != nil {
		return nil, err
	}
	s := &scanner{trees: trees, calls: map[call]state{}, nameless: map[string]*tag{}}
	for _, name := range names {
		s.template(name, state{})
	}
	if len(s.unclosed) > 0 {
		return nil, fmt.Errorf("%w: %q", ErrUnclosed, s.unclosed[0])
	}
	marked := insertMarks(trees, s.found, m.mark)
	for name, e := range m.entry {
		e.nonced = e.err == nil && uses(trees, name, marked, map[string]bool{})
	}
	return m, nil
}

// probe is the name of a template that calls others without executing them.
const probe = "sluice/markup: all"

// calleesFirst returns the names of templates, each behind those that it calls, and
// always in the same order.
func calleesFirst(trees map[string]*parse.Tree) []string {
	var names []string
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		tree := trees[name]
		if seen[name] || tree == nil {
			return
		}
		seen[name] = true
		eachCall(tree, add)
		names = append(names, name)
	}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		add(name)
	}
	return names
}

// escape makes html/template put its escapers in, which it does at first use, and
// drops what it drops of the text: what remains is written as it stands.
//
// Which templates make a page alone is asked of a copy of the set for each: one may be
// the beginning of a tag, and html/template does not say so any more once a page has
// called it. Then all are escaped at once: one after the other, a piece of a script
// would be a copy of what was already escaped as text.
func (t *Template) escape(names []string) error {
	var pages []string
	for _, name := range names {
		alone, err := t.set.Clone()
		if err != nil {
			return fmt.Errorf("markup: %w", err)
		}
		if t.entry[name].err = entryFault(name, callAll(alone, name)); t.entry[name].err == nil {
			pages = append(pages, name)
		}
	}
	if err := callAll(t.set, pages...); err != nil {
		return fmt.Errorf("markup: %w", err)
	}
	return nil
}

// callAll executes a template that calls others without ever doing so, by which they
// are escaped and not executed.
func callAll(set *template.Template, names ...string) error {
	var text strings.Builder
	for _, name := range names {
		text.WriteString("{{if false}}{{template " + strconv.Quote(name) + "}}{{end}}")
	}
	if _, err := set.New(probe).Delims("{{", "}}").Parse(text.String()); err != nil {
		return err
	}
	return set.ExecuteTemplate(io.Discard, probe, nil)
}

// entryFault is what html/template finds wrong with a template as a page.
func entryFault(name string, err error) error {
	var fault *template.Error
	if !errors.As(err, &fault) {
		return err
	}
	fault.Name = name
	if strings.Contains(fault.Error(), probe) { // it is about the call, which nobody has written
		return fmt.Errorf("markup: template %q ends within a tag, an attribute, a comment, a script or a style", name)
	}
	return fault
}

// Execute writes the page that [New] was given. The nonce is read from ctx, which has
// to be that of the request, before anything is written, and not at all where no tag
// needs one. Without [secheaders.Secure.Middleware] no attribute is written.
func (t *Template) Execute(ctx context.Context, w io.Writer, data any) error {
	return t.ExecuteTemplate(ctx, w, t.set.Name(), data)
}

// ExecuteTemplate is Execute for the template of a name.
func (t *Template) ExecuteTemplate(ctx context.Context, w io.Writer, name string, data any) error {
	e := t.entry[name]
	if e == nil {
		e = &entry{} // html/template says that there is none
	}
	if e.err != nil {
		return e.err
	}
	if !e.nonced {
		return t.set.ExecuteTemplate(w, name, data)
	}
	return t.write(w, secheaders.Nonce(ctx), name, data)
}

func (t *Template) write(w io.Writer, nonce, name string, data any) error {
	if nonce != "" {
		w = newStamper(w, t.mark, nonce)
	}
	return t.set.ExecuteTemplate(w, name, data)
}
