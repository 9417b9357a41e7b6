package compress

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FilesOptions configure [Files]. The zero value serves all siblings there are.
type FilesOptions struct {
	// Codings are served where there is a sibling, in this order where a client
	// likes several equally. An empty list is none: files get entity tags only.
	// Default: br, zstd, gzip.
	Codings []Coding
	// Logger hears of siblings that are not served, once for each.
	// Default: slog.Default().
	Logger *slog.Logger
}

// Files serves a file system like [http.FileServerFS], with the siblings name.br,
// name.zst and name.gz in the place of a file for clients that take them.
//
// All files get a strong entity tag, made of a hash of what is sent (up to 64 MiB;
// beyond that a file has its modification time only). It is computed at the first
// use, and again when the length or the modification time changes: a file that
// changes with neither needs a restart. Range requests are answered from the file
// itself.
//
// A sibling is served only if the file is there, too, and not newer, if it is
// smaller than that, and if browsers will decode it: not with a window of zstd
// above 8 MiB (RFC 9659), a large window of brotli, or several members of gzip.
// The Logger hears why not. That a sibling holds what the file holds is up to who
// made it; of gzip and zstd the length is compared.
func Files(fsys fs.FS, opts FilesOptions) (http.Handler, error) {
	if opts.Codings == nil {
		opts.Codings = []Coding{Brotli, Zstd, Gzip}
	}
	if err := opts.faults(fsys); err != nil {
		return nil, err
	}
	s := &fileServer{fsys: fsys, plain: http.FileServerFS(fsys)}
	s.records.logger = cmp.Or(opts.Logger, slog.Default())
	for _, name := range opts.Codings {
		c, _ := codingOf(name)
		s.order = append(s.order, c)
	}
	return s, nil
}

func (o *FilesOptions) faults(fsys fs.FS) error {
	var errs []error
	if fsys == nil {
		errs = append(errs, errors.New("compress: fsys: must not be nil"))
	}
	for i, c := range o.Codings {
		if _, known := codingOf(c); !known {
			errs = append(errs, fmt.Errorf("compress: Codings: %q is none of gzip, br and zstd", c))
		} else if slices.Contains(o.Codings[:i], c) {
			errs = append(errs, fmt.Errorf("compress: Codings: %q is listed twice", c))
		}
	}
	return errors.Join(errs...)
}

// extension is what the name of a sibling ends with.
func (c coding) extension() string {
	switch c {
	case gzipped:
		return ".gz"
	case brotlied:
		return ".br"
	case zstded:
		return ".zst"
	default:
		return ""
	}
}

type fileServer struct {
	fsys       fs.FS
	plain      http.Handler // for all that is not a regular file
	order      []coding
	negotiator negotiator
	records    fileRecords
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, info, ok := s.find(r)
	if !ok {
		s.plain.ServeHTTP(w, r)
		return
	}
	accepted := s.negotiator.accepts(r.Header["Accept-Encoding"])
	var room [codings]coding
	rest := append(room[:0], s.order...)
	varies := false
	for !wantsRange(r, accepted) {
		c := accepted.choose(rest)
		if c == identity || c == refused { // as it is most can read it (RFC 9110 §12.5.3)
			break
		}
		rest = slices.DeleteFunc(rest, func(other coding) bool { return other == c })
		sibling := s.sibling(name, c)
		if sibling == nil {
			continue
		}
		varies = true
		addVary(w.Header(), "Accept-Encoding", nil)
		if s.isWorth(name, c, sibling, info, accepted) && s.serveSibling(w, withConditions(r, false), name, info, c) {
			return
		}
	}
	if !varies && slices.ContainsFunc(rest, func(c coding) bool { return s.sibling(name, c) != nil }) {
		varies = true
		addVary(w.Header(), "Accept-Encoding", nil)
	}
	s.serveOriginal(w, r, name, varies)
}

// wantsRange reports whether a client takes part of a file as it is: parts of two
// codings do not fit together.
func wantsRange(r *http.Request, a acceptance) bool {
	return r.Header.Get("Range") != "" && !refusesIdentity(a)
}

func refusesIdentity(a acceptance) bool { return a.choose(nil) == refused }

// find returns the regular file that is to be sent, as [http.FileServerFS] sees
// it. It has nothing for redirects, listings and errors.
func (s *fileServer) find(r *http.Request) (name string, info fs.FileInfo, ok bool) {
	url := r.URL.Path
	if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.HasSuffix("/"+url, "/index.html") {
		return "", nil, false
	}
	name = cmp.Or(path.Clean("/" + url)[1:], ".")
	info, err := fs.Stat(s.fsys, name)
	if url == "" || strings.HasSuffix(url, "/") {
		if err != nil || !info.IsDir() {
			return "", nil, false
		}
		name = path.Join(name, "index.html")
		info, err = fs.Stat(s.fsys, name)
	}
	return name, info, err == nil && info.Mode().IsRegular()
}

// sibling looks for a sibling. That costs a call of Stat for each request, so that
// files may come and go.
func (s *fileServer) sibling(name string, c coding) fs.FileInfo {
	info, err := fs.Stat(s.fsys, name+c.extension())
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return info
}

// isWorth reports whether a sibling is up to date, and smaller than the file if
// the client takes that.
func (s *fileServer) isWorth(name string, c coding, sibling, original fs.FileInfo, a acceptance) bool {
	if isOlder(sibling.ModTime(), original.ModTime()) {
		s.records.refuse(name+c.extension(), errOlder)
		return false
	}
	return sibling.Size() < original.Size() || refusesIdentity(a)
}

// isOlder compares modification times, where there are any. Copies and archives
// may have cut a time to whole seconds.
func isOlder(sibling, original time.Time) bool {
	if isNoTime(sibling) || isNoTime(original) {
		return false
	}
	if sibling.Nanosecond() == 0 {
		original = original.Truncate(time.Second)
	}
	return sibling.Before(original)
}

// isNoTime knows what [http.ServeContent] takes for no time.
func isNoTime(t time.Time) bool { return t.IsZero() || t.Equal(time.Unix(0, 0)) }

// serveSibling reports whether there was one to serve. Its Last-Modified is that
// of the original, from which it was made.
func (s *fileServer) serveSibling(w http.ResponseWriter, r *http.Request, name string, original fs.FileInfo, c coding) bool {
	f, err := s.fsys.Open(name + c.extension())
	if err != nil {
		return false // it has gone since, or may not be read
	}
	defer f.Close()
	content, rec := s.records.of(f, name, c, original.Size())
	if content == nil || rec.refused {
		return false
	}
	h := w.Header()
	if !isSet(h, "Content-Type") {
		contentType, err := s.contentType(name)
		if err != nil {
			return false
		}
		h.Set("Content-Type", contentType)
	}
	Off(w) // the answer has its coding, and its tag must not get that of another
	h.Set("Etag", rec.tag)
	h.Set("Content-Encoding", c.String())
	http.ServeContent(&encodedWriter{w, rec.size}, r, name, original.ModTime(), content)
	return true
}

func (s *fileServer) serveOriginal(w http.ResponseWriter, r *http.Request, name string, varies bool) {
	f, err := s.fsys.Open(name)
	if err != nil {
		s.plain.ServeHTTP(w, r)
		return
	}
	defer f.Close()
	content, rec := s.records.of(f, name, identity, 0)
	if content == nil {
		s.plain.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	if t := cmp.Or(mime.TypeByExtension(path.Ext(name)), rec.sniffed); t != "" && !isSet(h, "Content-Type") {
		h.Set("Content-Type", t)
	}
	ranges := true
	if rec.tag != "" {
		h.Set("Etag", rec.tag)
		ranges = !varies || !rangeByDate(r)
	}
	http.ServeContent(w, withConditions(r, ranges), name, rec.modified, content)
}

// contentType is that of the original: a sibling has none of its own.
func (s *fileServer) contentType(name string) (string, error) {
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t, nil
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, rec := s.records.of(f, name, identity, 0)
	if content == nil {
		return "", errNoSeeker
	}
	return rec.sniffed, nil
}

// isSet reports whether a handler outside has set a field, be it to nothing.
func isSet(h http.Header, name string) bool {
	_, set := h[name]
	return set
}

// encodedWriter makes up for what [http.ServeContent] does to encoded content: it
// leaves out the length, announces ranges, and keeps the fields of a 200 for a 412.
type encodedWriter struct {
	http.ResponseWriter
	length int64
}

func (w *encodedWriter) WriteHeader(status int) {
	h := w.Header()
	if status == http.StatusOK {
		h.Set("Content-Length", strconv.FormatInt(w.length, 10))
		delete(h, "Accept-Ranges") // they are of the original
	} else {
		delete(h, "Content-Encoding")
		delete(h, "Content-Type")
	}
	w.ResponseWriter.WriteHeader(status)
}

// ReadFrom lets the server send a file without reading it (sendfile).
func (w *encodedWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// rangeByDate reports whether a range is asked for under the condition of a date.
// A file and its siblings share it, so that the client may hold a part of either;
// by RFC 9110 §13.1.5 none does so that was given an entity tag.
func rangeByDate(r *http.Request) bool {
	condition := r.Header.Get("If-Range")
	return condition != "" && !strings.Contains(condition, `"`)
}

// withConditions returns the request as [http.ServeContent] is to see it: that
// reads the first line only of a list, and must not cut a range out of encoded
// content.
func withConditions(r *http.Request, ranges bool) *http.Request {
	split := len(r.Header["If-None-Match"]) > 1 || len(r.Header["If-Match"]) > 1
	if !split && (ranges || r.Header["Range"] == nil) {
		return r
	}
	seen := *r
	seen.Header = make(http.Header, len(r.Header))
	for name, lines := range r.Header {
		switch {
		case name == "Range" && !ranges:
		case len(lines) > 1 && (name == "If-None-Match" || name == "If-Match"):
			seen.Header[name] = []string{strings.Join(lines, ", ")} // RFC 9110 §5.3
		default:
			seen.Header[name] = lines
		}
	}
	return &seen
}
