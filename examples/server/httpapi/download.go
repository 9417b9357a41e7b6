package httpapi

import (
	"io"
	"mime"
	"net/http"
)

// download sends the bytes of a file. A client chose them, so no browser may
// show or run them as a page of ours: they are saved, not sniffed, and in a
// sandbox.
func (a *API) download(w http.ResponseWriter, r *http.Request) error {
	id, err := a.files().pathID(r)
	if err != nil {
		return err
	}
	file, err := a.store.GetFile(r.Context(), id)
	if err != nil {
		return err
	}
	content, err := a.library.Blobs.Open(r.Context(), file.Blob)
	if err != nil {
		return err
	}
	defer content.Close()
	h := w.Header()
	h.Set("ETag", `"`+file.SHA256+`"`)
	h.Set("Cache-Control", "no-cache") // kept copies must not outlive the file
	h.Set("Content-Type", file.FileType)
	// RFC 6266 §4.3; a name beyond ASCII becomes filename* (RFC 8187).
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": file.Name}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	http.ServeContent(&problemWriter{ResponseWriter: w}, r, "", file.CreatedAt, content)
	return nil
}

// problemWriter turns the two refusals of [http.ServeContent], a failed
// precondition and a range outside of the file, into problem documents.
type problemWriter struct {
	http.ResponseWriter
	refused bool
}

func (p *problemWriter) WriteHeader(status int) {
	switch status {
	case http.StatusPreconditionFailed:
		p.refused = true
		writeProblem(p.ResponseWriter, newProblem(status, "the file is another one than you think", nil))
	case http.StatusRequestedRangeNotSatisfiable:
		p.refused = true
		writeProblem(p.ResponseWriter, newProblem(status, "the file has no such range", nil))
	default:
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *problemWriter) Write(b []byte) (int, error) {
	if p.refused {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}

// ReadFrom keeps sendfile.
func (p *problemWriter) ReadFrom(src io.Reader) (int64, error) {
	if p.refused {
		return 0, nil
	}
	return io.Copy(p.ResponseWriter, src)
}

func (p *problemWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
