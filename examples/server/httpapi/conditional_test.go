package httpapi_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPreconditionsOfChanges(t *testing.T) {
	const tag = `"message-1-1"`
	for _, c := range []struct {
		name   string
		header []string
		put    int
		del    int
	}{
		{"no If-Match", nil, 428, 204},
		{"the current tag", []string{"If-Match", tag}, 200, 204},
		{"an older tag", []string{"If-Match", `"message-1-0"`}, 412, 412},
		{"the tag of another thing", []string{"If-Match", `"ticket-1-1"`}, 412, 412},
		{"a star", []string{"If-Match", " * "}, 200, 204},
		{"a list with the tag", []string{"If-Match", `"a", ,` + tag + ` , "b"`}, 200, 204},
		{"a list over two lines", []string{"If-Match", `"a"`, "If-Match", tag}, 200, 204},
		{"a list without the tag", []string{"If-Match", `"a","b"`}, 412, 412},
		{"the weak form of the tag", []string{"If-Match", "W/" + tag}, 412, 412},
		{"a comma inside of a tag", []string{"If-Match", `"a,` + tag[1:]}, 412, 412},
		{"a tag without quotes", []string{"If-Match", "message-1-1"}, 400, 400},
		{"an open quote", []string{"If-Match", `"message-1-1`}, 400, 400},
		{"a star in a list", []string{"If-Match", "*, " + tag}, 400, 400},
		{"no comma between tags", []string{"If-Match", tag + tag}, 400, 400},
		{"a space in a tag", []string{"If-Match", `"a b"`}, 400, 400},
		{"nothing", []string{"If-Match", ""}, 400, 400},
		{"commas only", []string{"If-Match", ","}, 400, 400},
		{"If-None-Match with a star", []string{"If-Match", tag, "If-None-Match", "*"}, 412, 412},
		{"If-None-Match with the tag", []string{"If-Match", tag, "If-None-Match", "W/" + tag}, 412, 412},
		{"If-None-Match with another tag", []string{"If-Match", tag, "If-None-Match", `"x"`}, 200, 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.do("ann POST /api/messages", `{"body":"first"}`).is(t, 201)
			w.do("ann PUT /api/messages/1", `{"body":"second"}`, c.header...).is(t, c.put)
			want := map[bool]string{true: "second", false: "first"}[c.put == 200]
			require.Equal(t, want, w.do("GET /api/messages/1", "").json(t)["body"])

			w = newWorld(t)
			w.do("ann POST /api/messages", `{"body":"first"}`).is(t, 201)
			w.do("ann DELETE /api/messages/1", "", c.header...).is(t, c.del)
			w.do("GET /api/messages/1", "").is(t, map[bool]int{true: 404, false: 200}[c.del == 204])
		})
	}
	t.Run("rights and existence come before preconditions (RFC 9110 §13.2.1)", func(t *testing.T) {
		w := newWorld(t)
		w.do("ann POST /api/messages", `{"body":"first"}`).is(t, 201)
		w.do("bob PUT /api/messages/1", `{"body":"x"}`, "If-Match", `"old"`).is(t, 403)
		w.do("ann PUT /api/messages/2", `{"body":"x"}`, "If-Match", `"old"`).is(t, 404)
		w.do("ann PUT /api/messages/1", `nonsense`, "If-Match", `"old"`).is(t, 412)
	})
}

func TestPreconditionsOfReads(t *testing.T) {
	w := newWorld(t)
	w.do("ann POST /api/messages", `{"body":"first"}`).is(t, 201)
	const tag = `"message-1-1"`
	for _, c := range []struct {
		name, field, value string
		status             int
	}{
		{"the current tag is 304", "If-None-Match", tag, 304},
		{"its weak form too", "If-None-Match", "W/" + tag, 304},
		{"so is a list with it", "If-None-Match", `"a", ` + tag, 304},
		{"so is a star", "If-None-Match", "*", 304},
		{"another tag is 200", "If-None-Match", `"a"`, 200},
		{"no tag is 400", "If-None-Match", "a", 400},
		{"If-Match with another tag is 412", "If-Match", `"a"`, 412},
		{"If-Match with the tag is 200", "If-Match", tag, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				a := w.do(method+" /api/messages/1", "", c.field, c.value).is(t, c.status)
				if c.status == 304 {
					require.Empty(t, a.body)
					require.Equal(t, tag, a.header.Get("ETag"))
				}
			}
		})
	}
}

func TestConcurrentReplacements(t *testing.T) {
	t.Run("of many who saw the same version exactly one wins", func(t *testing.T) {
		w := newWorld(t)
		w.do("ann POST /api/projects", `{"name":"first"}`).is(t, 201)
		statuses := make(chan int, 16)
		var all sync.WaitGroup
		for range cap(statuses) {
			all.Go(func() {
				req, _ := http.NewRequestWithContext(t.Context(), "PUT", w.url+"/api/projects/1", strings.NewReader(`{"name":"mine"}`))
				req.Header = http.Header{"Authorization": {"Bearer ann"}, "Content-Type": {"application/json"},
					"If-Match": {`"project-1-1"`}}
				if resp, err := w.client.Do(req); err == nil {
					resp.Body.Close()
					statuses <- resp.StatusCode
				}
			})
		}
		all.Wait()
		close(statuses)
		count := map[int]int{}
		for s := range statuses {
			count[s]++
		}
		require.Equal(t, map[int]int{200: 1, 412: 15}, count)
	})
}
