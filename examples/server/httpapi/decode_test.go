package httpapi_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBodies(t *testing.T) {
	w := newWorld(t)
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct {
		name, mediaType, body string
		status                int
		faults                []string
	}{
		{"JSON is accepted", "application/json", `{"body":"x"}`, 201, nil},
		{"so is JSON with parameters and space around it", "Application/JSON; charset=utf-8", " \n{\"body\":\"x\"}\n ", 201, nil},
		{"so is a type built on JSON", "application/merge+json", `{"body":"x"}`, 201, nil},
		{"no media type is 415", "", `{"body":"x"}`, 415, nil},
		{"another media type is 415", "text/plain", `{"body":"x"}`, 415, nil},
		{"a form is 415", "application/x-www-form-urlencoded", "body=x", 415, nil},
		{"a media type that is none is 415", "application/json; =", `{}`, 415, nil},
		{"an empty body is 400", "application/json", "", 400, nil},
		{"white space alone is 400", "application/json", " \n", 400, nil},
		{"null is 400", "application/json", "null", 400, nil},
		{"an array is 400", "application/json", `[{"body":"x"}]`, 400, nil},
		{"half an object is 400", "application/json", `{"body":"x"`, 400, nil},
		{"a second object is 400", "application/json", `{"body":"x"}{"body":"y"}`, 400, nil},
		{"trailing garbage is 400", "application/json", `{"body":"x"} x`, 400, nil},
		{"a byte order mark is 400", "application/json", "\ufeff" + `{"body":"x"}`, 400, nil},
		{"an unknown field is refused with 400", "application/json", `{"body":"x","colour":1}`, 400, []string{"colour"}},
		{"an unknown field is named only in part", "application/json", `{"` + strings.Repeat("é", 5000) + `":1}`, 400,
			[]string{strings.Repeat("é", 32)}},
		{"a wrong type names its field", "application/json", `{"body":["x"]}`, 400, []string{"body"}},
		{"so does a number", "application/json", `{"type":1}`, 400, []string{"type"}},
		{"deep nesting is 400", "application/json", `{"body":` + deep, 400, nil},
		{"deep nesting in an unknown field is 400", "application/json", `{"x":` + deep, 400, nil},
		{"a body of a mebibyte and a byte is 413", "application/json", `{"body":"` + strings.Repeat("x", 1<<20), 413, nil},
		{"a body of a mebibyte is read, and breaks a rule", "application/json",
			`{"body":"` + strings.Repeat("x", 1<<20-11) + `"}`, 422, []string{"body"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := newRequest(t, "POST", w.url+"/api/messages", strings.NewReader(c.body))
			req.Header.Set("Authorization", "Bearer ann")
			if c.mediaType != "" {
				req.Header.Set("Content-Type", c.mediaType)
			}
			a := w.send(req).is(t, c.status)
			require.ElementsMatch(t, c.faults, a.faults(t))
			require.Less(t, len(a.body), 3000, "an answer does not grow with the request")
		})
	}
}
