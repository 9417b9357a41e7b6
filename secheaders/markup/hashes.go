package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/sluice-go/sluice/secheaders"
)

// Inline is the code within pages, as sources of a policy: sorted, and each once.
type Inline struct {
	// Scripts are for script-src. Data blocks have none.
	Scripts []secheaders.Source
	// Styles are for style-src.
	Styles []secheaders.Source
	// Handlers are the attributes as onclick, for script-src. They count beside
	// [secheaders.UnsafeHashes] only, which lets them stand at any element that an
	// attacker makes.
	Handlers []secheaders.Source
	// StyleAttributes are for style-src, beside [secheaders.UnsafeHashes].
	StyleAttributes []secheaders.Source
	// JavaScriptURLs are the URLs that are code, as they stand in the page. No source
	// of this result allows them: they should become scripts.
	JavaScriptURLs []string
}

// Hashes reads the code within an HTML page as browsers hash it (CSP Level 3 §6.7.3.3).
// It is for pages that are the same for everyone, and served as UTF-8, and for use when
// a program starts.
func Hashes(page io.Reader) (Inline, error) {
	var in Inline
	b, err := io.ReadAll(page)
	if err == nil {
		err = in.addPage(b)
	}
	if err != nil {
		return Inline{}, fmt.Errorf("markup: %w", err)
	}
	in.tidy()
	return in, nil
}

// HashesFS is Hashes for all files that match one of the patterns of [fs.Glob], such as
// an embed.FS has. Without a pattern these are all that end in ".html" or ".htm", in
// any folder.
func HashesFS(fsys fs.FS, patterns ...string) (Inline, error) {
	var in Inline
	names, err := pages(fsys, patterns)
	errs := []error{err}
	for _, name := range names {
		b, err := fs.ReadFile(fsys, name)
		if err == nil {
			err = in.addPage(b)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("markup: %s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Inline{}, err
	}
	in.tidy()
	return in, nil
}

// pages returns the names of the files to read.
func pages(fsys fs.FS, patterns []string) (names []string, err error) {
	if len(patterns) == 0 {
		err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if ext := strings.ToLower(path.Ext(name)); err == nil && !d.IsDir() && (ext == ".html" || ext == ".htm") {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			err = fmt.Errorf("markup: %w", err)
		}
		return names, err
	}
	var errs []error
	for _, p := range patterns {
		found, err := fs.Glob(fsys, p)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("markup: %q: %w", p, err))
		case len(found) == 0:
			errs = append(errs, fmt.Errorf("markup: %q: no file matches", p))
		}
		names = append(names, found...)
	}
	return names, errors.Join(errs...)
}

// tidy sorts and drops what is there twice.
func (in *Inline) tidy() {
	for _, list := range []*[]secheaders.Source{&in.Scripts, &in.Styles, &in.Handlers, &in.StyleAttributes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	slices.Sort(in.JavaScriptURLs)
	in.JavaScriptURLs = slices.Compact(in.JavaScriptURLs)
}

// addPage adds what a page has.
func (in *Inline) addPage(page []byte) error {
	page = bytes.TrimPrefix(page, []byte("\ufeff"))
	// What browsers make of other bytes depends on the encoding that they guess.
	if !utf8.Valid(page) {
		return errors.New("the page is not UTF-8")
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		return err
	}
	return in.addTree(root)
}

func (in *Inline) addTree(root *html.Node) error {
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if err := in.addElement(n); err != nil {
			return err
		}
	}
	return nil
}

func (in *Inline) addElement(n *html.Node) error {
	in.addAttributes(n)
	switch n.Data {
	case "script":
		if code := text(n); isInlineScript(n) && code != "" {
			in.Scripts = append(in.Scripts, secheaders.SHA256(code))
		}
	case "style":
		// Chromium also asks for other types, and reports them as blocked. That is better
		// than a source for what is no style.
		if kind, _ := attribute(n, "type"); kind == "" || strings.EqualFold(kind, "text/css") {
			in.Styles = append(in.Styles, secheaders.SHA256(text(n)))
		}
	case "noscript":
		return in.addNoscript(n)
	case "iframe":
		// The page in there inherits the policy (HTML §7.1.7, CSP Level 3 §7.8).
		if page, ok := attribute(n, "srcdoc"); ok {
			return in.addPage([]byte(page))
		}
	}
	return nil
}

// addNoscript reads what a browser does that runs no scripts, which is styles. The
// parser takes it as text, as one does that runs them.
func (in *Inline) addNoscript(n *html.Node) error {
	content := &html.Node{Type: html.ElementNode, DataAtom: n.Parent.DataAtom, Data: n.Parent.Data}
	nodes, err := html.ParseFragmentWithOptions(strings.NewReader(text(n)), content, html.ParseOptionEnableScripting(false))
	if err != nil {
		return err
	}
	var inside Inline
	for _, child := range nodes {
		content.AppendChild(child)
	}
	err = inside.addTree(content)
	in.Styles = append(in.Styles, inside.Styles...)
	in.StyleAttributes = append(in.StyleAttributes, inside.StyleAttributes...)
	return err
}

func (in *Inline) addAttributes(n *html.Node) {
	for i, a := range n.Attr {
		if first := slices.IndexFunc(n.Attr, func(b html.Attribute) bool { return a.Namespace == b.Namespace && a.Key == b.Key }); first < i {
			continue // browsers take the first of a name (HTML §13.2.5.33)
		}
		switch {
		case a.Namespace == "" && len(a.Key) > 2 && strings.HasPrefix(a.Key, "on"):
			in.Handlers = append(in.Handlers, secheaders.SHA256(a.Val))
		case a.Namespace == "" && a.Key == "style":
			in.StyleAttributes = append(in.StyleAttributes, secheaders.SHA256(a.Val))
		case isJavaScriptURL(a.Val) && a.Key != "srcdoc":
			in.JavaScriptURLs = append(in.JavaScriptURLs, a.Val)
		}
	}
}
