package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	maxBody = 1 << 20 // bytes of a JSON body
	maxName = 64      // bytes of a client's field name that an error repeats
)

// decode reads a body that must be one JSON object with known fields only.
// encoding/json bounds the nesting itself.
func decode[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	var v T
	if !isJSON(r.Header.Get("Content-Type")) {
		return v, app.Errorf(app.CodeUnsupportedType, "the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return v, app.Errorf(app.CodeTooLarge, "the body has more than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return v, app.Errorf(app.CodeMalformed, "the body ended early")
	}
	// A bare null would decode to an empty object.
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return v, app.Errorf(app.CodeMalformed, "the body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return v, jsonError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return v, app.Errorf(app.CodeMalformed, "the body must hold nothing after its JSON object")
	}
	return v, nil
}

// isJSON accepts application/json and the types built on it (RFC 6839 §3.1).
func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" ||
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json"))
}

func jsonError(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return malformed(wrongType.Field, "has the wrong type")
	}
	// encoding/json has no type for this error.
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, _ := strconv.Unquote(quoted)
		return malformed(clip(name), "is not a known field")
	}
	return app.Errorf(app.CodeMalformed, "the body is not valid JSON")
}

func clip(name string) string { return name[:min(len(name), maxName)] }
