package httpapi

import (
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
	http.ServeContent(w, r, "", file.CreatedAt, content)
	return nil
}
