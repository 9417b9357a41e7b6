package httpapi

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	maxForm  = 64 << 10 // bytes of an upload besides the file
	maxField = 20       // bytes read of a form field, one more than an id has
)

func (a *API) upload(w http.ResponseWriter, r *http.Request) error {
	file, err := a.receive(r)
	if err != nil {
		a.hooks.OnUpload("", 0, kindOf(r, err))
		return err
	}
	a.hooks.OnUpload(file.FileType, file.Size, "")
	return a.files().reply(w, http.StatusCreated, file)
}

// receive stores the one file of a multipart/form-data body (RFC 7578). The part
// named file must be the last one: what describes the file is then known before
// its first byte, and the file can go to storage as it arrives.
func (a *API) receive(r *http.Request) (app.File, error) {
	var none app.File
	p := app.PrincipalFrom(r.Context())
	if err := p.Require(app.RoleAuthenticated); err != nil {
		return none, err
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != "multipart/form-data" {
		return none, app.Errorf(app.CodeUnsupportedType, "the body must be multipart/form-data")
	}
	if r.ContentLength > a.maxUpload+maxForm {
		return none, a.fileTooLarge() // before the client sends any of it
	}
	body := &io.LimitedReader{R: r.Body, N: maxForm}
	r.Body = io.NopCloser(body)
	form, err := r.MultipartReader()
	if err != nil {
		return none, app.Errorf(app.CodeMalformed, "the form has no boundary")
	}
	file := app.File{UploadedBy: p.UserID}
	part, err := readFields(form, &file)
	if err == nil {
		err = file.Validate() // again in Add, but here nothing is stored yet
	}
	if err != nil && body.N <= 0 {
		return none, app.Errorf(app.CodeTooLarge, "the form has more than %d bytes before its file", maxForm)
	}
	if err != nil {
		return none, err
	}
	body.N += a.maxUpload
	content := &lastPart{part: part, form: form, left: a.maxUpload, tooLarge: a.fileTooLarge()}
	file, err = a.library.Add(r.Context(), file, content)
	if content.err != nil && content.err != io.EOF {
		return none, content.err // the cause of whatever Add makes of it
	}
	return file, err
}

func (a *API) fileTooLarge() error {
	return app.Errorf(app.CodeTooLarge, "a file may have at most %d bytes", a.maxUpload)
}

// readFields fills f from the form up to the file, whose part it returns.
func readFields(form *multipart.Reader, f *app.File) (*multipart.Part, error) {
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, invalid("file", "is missing")
		}
		if err != nil {
			return nil, errForm()
		}
		switch name := part.FormName(); name {
		case "file":
			if f.Name = part.FileName(); f.Name == "" {
				return nil, invalid("file", "needs a file name")
			}
			return part, nil
		case "project_id":
			err = readID(part, &f.ProjectID)
		case "ticket_id":
			err = readID(part, &f.TicketID)
		default:
			err = malformed(clip(name), "is not a known field")
		}
		if err != nil {
			return nil, err
		}
	}
}

func readID(part *multipart.Part, to **int64) error {
	if *to != nil {
		return malformed(part.FormName(), "is given more than once")
	}
	text, err := io.ReadAll(io.LimitReader(part, maxField))
	if err != nil {
		return errForm()
	}
	id, ok := parseID(string(text))
	if !ok {
		return malformed(part.FormName(), "must be an id")
	}
	*to = &id
	return nil
}

func errForm() error { return app.Errorf(app.CodeMalformed, "the form is not well formed") }

// lastPart reads a part and ends well only if the form ends after it, so that
// nothing of a cut or longer form is kept. It remembers its error, which a
// store may hide in one of its own.
type lastPart struct {
	part     *multipart.Part
	form     *multipart.Reader
	left     int64
	tooLarge error
	err      error
}

func (l *lastPart) Read(b []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.part.Read(b)
	l.left -= int64(n)
	switch {
	case l.left < 0:
		l.err = l.tooLarge
	case err == io.EOF:
		l.err = l.endOfForm()
	case err != nil:
		l.err = errForm()
	}
	return n, l.err
}

func (l *lastPart) endOfForm() error {
	switch _, err := l.form.NextPart(); err {
	case io.EOF:
		return io.EOF
	case nil:
		return malformed("file", "must be the last part of the form")
	default:
		return errForm()
	}
}
