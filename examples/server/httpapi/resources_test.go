package httpapi_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

func TestLifeOfAMessage(t *testing.T) {
	w := newWorld(t)
	made := w.do("ann POST /api/messages", `{"body":"<hello> & welcome"}`).is(t, 201)
	require.Equal(t, "/api/messages/1", made.header.Get("Location"))
	require.Equal(t, `"message-1-1"`, made.header.Get("ETag"))
	require.Equal(t, "application/json", made.header.Get("Content-Type"))
	require.Contains(t, made.body, "<hello> & welcome", "nothing is escaped for HTML")
	m := made.json(t)
	require.Equal(t, "ann", m["username"])
	require.Equal(t, "text", m["type"])
	require.Len(t, w.heard.heard, 1, "the chat hears of it")

	got := w.do("GET /api/messages/1", "").is(t, 200)
	require.Equal(t, made.body, got.body)
	require.EqualValues(t, len(got.body), must(t, got.header.Get("Content-Length")))
	head := w.do("HEAD /api/messages/1", "").is(t, 200)
	require.Empty(t, head.body)
	require.Equal(t, got.header.Get("ETag"), head.header.Get("ETag"))
	require.Equal(t, got.header.Get("Content-Length"), head.header.Get("Content-Length"))

	put := w.do("ann PUT /api/messages/1", `{"type":"text","body":"changed"}`, "If-Match", `"message-1-1"`).is(t, 200)
	require.Equal(t, `"message-1-2"`, put.header.Get("ETag"))
	require.Equal(t, "changed", put.json(t)["body"])
	require.Empty(t, put.header.Get("Location"))

	gone := w.do("ann DELETE /api/messages/1", "").is(t, 204)
	require.Empty(t, gone.body)
	w.do("GET /api/messages/1", "").is(t, 404)
	w.do("ann DELETE /api/messages/1", "").is(t, 404)
}

func must(t *testing.T, number string) (n int) {
	t.Helper()
	_, err := fmt.Sscan(number, &n)
	require.NoError(t, err)
	return n
}

func TestEveryResource(t *testing.T) {
	for _, c := range []struct{ path, post, put string }{
		{"/api/messages", `{"body":"one"}`, `{"body":"two"}`},
		{"/api/projects", `{"name":"one"}`, `{"name":"two","status":"paused"}`},
		{"/api/tickets", `{"project_id":1,"title":"one","due_date":"2030-01-02T03:04:05+02:00"}`,
			`{"project_id":1,"title":"two","status":"done","priority":"urgent","assigned_to":2}`},
		{"/api/users", `{"username":"carl","password":"correct horse"}`, `{"username":"carl","role":"admin"}`},
	} {
		t.Run(c.path+" can be made, read, replaced, listed and deleted", func(t *testing.T) {
			w := newWorld(t)
			w.do("root POST /api/projects", `{"name":"for tickets"}`).is(t, 201)
			made := w.do("root POST "+c.path, c.post).is(t, 201)
			url, tag := made.header.Get("Location"), made.header.Get("ETag")
			require.True(t, strings.HasPrefix(url, c.path+"/"), url)
			require.Equal(t, made.body, w.do("root GET "+url, "").is(t, 200).body)
			put := w.do("root PUT "+url, c.put, "If-Match", tag).is(t, 200)
			require.NotEqual(t, tag, put.header.Get("ETag"))
			require.Contains(t, w.do("root GET "+c.path, "").is(t, 200).body, strings.TrimSpace(put.body))
			w.do("root DELETE "+url, "", "If-Match", tag).is(t, 412)
			w.do("root DELETE "+url, "", "If-Match", put.header.Get("ETag")).is(t, 204)
			w.do("root GET "+url, "").is(t, 404)
		})
	}
}

func TestDefaultsAndRules(t *testing.T) {
	w := newWorld(t)
	w.do("ann POST /api/projects", `{"name":"p"}`).is(t, 201)
	for _, c := range []struct {
		name, request, body string
		status              int
		faults              []string
	}{
		{"broken rules are 422 and all named", "ann POST /api/tickets", `{"priority":"x"}`, 422,
			[]string{"project_id", "title", "priority"}},
		{"a reference to nothing is 422", "ann POST /api/tickets", `{"project_id":99,"title":"t"}`, 422, []string{"project_id"}},
		{"a date that is none is 400", "ann POST /api/tickets", `{"project_id":1,"title":"t","due_date":"tomorrow"}`, 400,
			[]string{"due_date"}},
		{"a user name that is taken is 409", "root POST /api/users", `{"username":"ann","password":"long enough"}`, 409, nil},
		{"a new user needs a password", "root POST /api/users", `{"username":"carl"}`, 422, []string{"password"}},
		{"a password of 73 bytes is 422", "root POST /api/users",
			`{"username":"carl","password":"` + strings.Repeat("x", 73) + `"}`, 422, []string{"password"}},
		{"the author of a message is not for the client to say", "ann POST /api/messages",
			`{"body":"x","username":"root"}`, 400, []string{"username"}},
		{"neither is the id", "ann POST /api/projects", `{"name":"x","id":7}`, 400, []string{"id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ElementsMatch(t, c.faults, w.do(c.request, c.body).is(t, c.status).faults(t))
		})
	}
	t.Run("a PUT reads its body as a POST does", func(t *testing.T) {
		for body, status := range map[string]int{`{"name":""}`: 422, `{"nam":"x"}`: 400, `x`: 400, `{"name":"x","status":"gone"}`: 422} {
			w.do("ann PUT /api/projects/1", body, "If-Match", "*").is(t, status)
		}
		w.do("ann PUT /api/projects/x", `{"name":"x"}`, "If-Match", "*").is(t, 404)
		require.Equal(t, `"project-1-1"`, w.do("GET /api/projects/1", "").header.Get("ETag"), "nothing was changed")
	})
	t.Run("a project that still has tickets stays: 409", func(t *testing.T) {
		ticket := w.do("ann POST /api/tickets", `{"project_id":1,"title":"t"}`).is(t, 201).json(t)
		require.Equal(t, "open", ticket["status"])
		require.Equal(t, "normal", ticket["priority"])
		require.Nil(t, ticket["due_date"])
		w.do("ann DELETE /api/projects/1", "").is(t, 409)
	})
	t.Run("a user name cannot pass to somebody else, and a role stays unless it is changed", func(t *testing.T) {
		w.do("root PUT /api/users/2", `{"username":"anna"}`, "If-Match", "*").is(t, 422)
		w.do("root PUT /api/users/2", `{"username":"ann","role":"public"}`, "If-Match", "*").is(t, 200)
		kept := w.do("root PUT /api/users/2", `{"username":"ann"}`, "If-Match", "*").is(t, 200)
		require.Equal(t, "public", kept.json(t)["role"])
	})
	t.Run("no password hash is ever sent", func(t *testing.T) {
		made := w.do("root POST /api/users", `{"username":"dora","password":"long enough"}`).is(t, 201)
		require.NotContains(t, made.body+w.do("root GET /api/users", "").body, "$2a$")
	})
}

func TestRights(t *testing.T) {
	w := newWorld(t)
	w.do("ann POST /api/messages", `{"body":"by ann"}`).is(t, 201)
	w.do("ann POST /api/projects", `{"name":"of ann"}`).is(t, 201)
	w.do("ann POST /api/tickets", `{"project_id":1,"title":"t"}`).is(t, 201)
	const message, project, ticket = `{"body":"b"}`, `{"name":"n"}`, `{"project_id":1,"title":"t"}`
	for _, c := range []struct {
		name, request, body string
		status              int
	}{
		{"anyone reads messages", "GET /api/messages", "", 200},
		{"anyone reads a message", "GET /api/messages/1", "", 200},
		{"anyone reads projects", "GET /api/projects/1", "", 200},
		{"anyone reads tickets", "GET /api/tickets/1", "", 200},
		{"anyone lists files", "GET /api/files", "", 200},
		{"nobody lists users without a login", "GET /api/users", "", 401},
		{"a user does not list users", "ann GET /api/users", "", 403},
		{"a user reads itself", "ann GET /api/users/2", "", 200},
		{"a user does not read another", "ann GET /api/users/3", "", 403},
		{"nor learns whether one exists", "ann GET /api/users/99", "", 403},
		{"an admin lists users", "root GET /api/users", "", 200},
		{"a user does not change itself", "ann PUT /api/users/2", `{"username":"ann","role":"admin"}`, 403},
		{"an admin stays one as far as it is up to itself", "root PUT /api/users/1", `{"username":"root","role":"public"}`, 409},
		{"and stays at all", "root DELETE /api/users/1", "", 409},
		{"a user makes no user", "ann POST /api/users", `{"username":"eve","password":"long enough"}`, 403},
		{"posting needs a login", "POST /api/messages", message, 401},
		{"so does a project", "POST /api/projects", project, 401},
		{"so does a ticket", "POST /api/tickets", ticket, 401},
		{"so does a file, whatever the body", "POST /api/files", "x", 401},
		{"a change needs a login", "PUT /api/tickets/1", ticket, 401},
		{"only the author changes a message", "bob PUT /api/messages/1", message, 403},
		{"only the author deletes a message", "bob DELETE /api/messages/1", "", 403},
		{"an admin changes any message", "root PUT /api/messages/1", message, 200},
		{"a system message needs an admin", "ann POST /api/messages", `{"type":"system","body":"b"}`, 403},
		{"an admin posts system messages", "root POST /api/messages", `{"type":"system","body":"b"}`, 201},
		{"a user names no other owner", "ann POST /api/projects", `{"name":"n","owner_id":3}`, 403},
		{"a user may name itself", "ann POST /api/projects", `{"name":"n","owner_id":2}`, 201},
		{"an admin names any owner", "root POST /api/projects", `{"name":"n","owner_id":3}`, 201},
		{"any user changes a project", "bob PUT /api/projects/1", project, 200},
		{"but does not take it over", "bob PUT /api/projects/1", `{"name":"n","owner_id":3}`, 403},
		{"any user changes a ticket", "bob PUT /api/tickets/1", ticket, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.do(c.request, c.body, "If-Match", "*").is(t, c.status)
		})
	}
	t.Run("an edit by another changes neither author nor owner", func(t *testing.T) {
		require.Equal(t, "ann", w.do("GET /api/messages/1", "").json(t)["username"])
		require.EqualValues(t, 2, w.do("GET /api/projects/1", "").json(t)["owner_id"])
	})
	t.Run("answers about users are not for shared caches", func(t *testing.T) {
		require.Equal(t, "private, no-cache", w.do("root GET /api/users", "").header.Get("Cache-Control"))
		require.Equal(t, "private, no-cache", w.do("ann GET /api/users/2", "").header.Get("Cache-Control"))
	})
}

func TestPaging(t *testing.T) {
	w := newWorld(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)
	w.store.now = func() time.Time { return at } // equal times: the id decides
	for i := range 45 {
		if i == 30 {
			at = at.Add(time.Second)
		}
		w.do("ann POST /api/messages", fmt.Sprintf(`{"body":"number %d"}`, i+1)).is(t, 201)
	}
	t.Run("following Link shows every item once, the newest first", func(t *testing.T) {
		url, pages, id := "/api/messages?limit=20&username=ann", 0, 45
		for url != "" {
			page := w.do("GET "+url, "").is(t, 200)
			for _, item := range page.json(t)["items"].([]any) {
				require.EqualValues(t, id, item.(map[string]any)["id"])
				id--
			}
			pages++
			url = ""
			if link := page.header.Get("Link"); link != "" {
				require.True(t, strings.HasPrefix(link, "</api/messages?") && strings.HasSuffix(link, `>; rel="next"`), link)
				url = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
				require.Contains(t, url, "cursor="+page.json(t)["next"].(string))
				require.Contains(t, url, "username=ann")
			} else {
				require.NotContains(t, page.json(t), "next")
			}
		}
		require.Equal(t, 3, pages)
		require.Zero(t, id)
	})
	t.Run("a page has 20 items unless told, and an empty list is no null", func(t *testing.T) {
		require.Len(t, w.do("GET /api/messages", "").json(t)["items"], 20)
		require.Equal(t, `{"items":[]}`+"\n", w.do("GET /api/tickets", "").is(t, 200).body)
	})
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	w.do("ann POST /api/projects", `{"name":"a"}`).is(t, 201)
	w.do("bob POST /api/projects", `{"name":"b","status":"paused"}`).is(t, 201)
	w.do("ann POST /api/tickets", `{"project_id":1,"title":"t","due_date":"2026-01-01T00:00:00Z","assigned_to":2}`).is(t, 201)
	w.do("ann POST /api/tickets", `{"project_id":2,"title":"u","status":"done","priority":"low"}`).is(t, 201)
	w.do("ann POST /api/messages", `{"body":"m"}`).is(t, 201)
	w.do("root POST /api/messages", `{"type":"system","body":"s"}`).is(t, 201)
	for query, ids := range map[string][]float64{
		"projects?status=paused":                                   {2},
		"projects?owner_id=2":                                      {1},
		"tickets?project_id=1":                                     {1},
		"tickets?status=done&priority=low":                         {2},
		"tickets?assigned_to=2":                                    {1},
		"tickets?due_before=2026-01-01T01:30:00%2B01:00":           {1},
		"tickets?due_before=2026-01-01T00:30:00%2B01:00":           nil,
		"messages?username=ann":                                    {1},
		"messages?type=system":                                     {2},
		"messages?type=unheard-of":                                 nil,
		"files?project_id=1&ticket_id=1&file_type=text%2Fplain":    nil,
		"users?username=bob":                                       {3},
		"users?role=admin":                                         {1},
		"messages?cursor=AAAAAAAAAAEAAAAAAAAAAQ&limit=100":         nil,
		"messages?cursor=A4REDMxzX_8AAAAAAAAACQ&type=text&limit=1": {1},
	} {
		t.Run(query+" lists what matches", func(t *testing.T) {
			var found []float64
			for _, item := range w.do("root GET /api/"+query, "").is(t, 200).json(t)["items"].([]any) {
				found = append(found, item.(map[string]any)["id"].(float64))
			}
			require.Equal(t, ids, found)
		})
	}
}

func TestMalformedQueries(t *testing.T) {
	w := newWorld(t)
	for query, faults := range map[string][]string{
		"messages?colour=red":                            {"colour"},
		"messages?colour=red&limit=x":                    {"colour", "limit"},
		"messages?status=active":                         {"status"}, // of another resource
		"messages?type=a&type=b":                         {"type"},
		"messages?type=":                                 {"type"},
		"messages?username=a%00b":                        {"username"},
		"messages?username=%ff":                          {"username"},
		"messages?limit=0":                               {"limit"},
		"messages?limit=101":                             {"limit"},
		"messages?limit=-1":                              {"limit"},
		"messages?cursor=!":                              {"cursor"},
		"messages?cursor=AAAA":                           {"cursor"},
		"messages?cursor=AAAAAAAAAAEAAAAAAAAAAA":         {"cursor"}, // id 0
		"messages?cursor=AAAAAAAAAAEAAAAAAAAAAR":         {"cursor"}, // stray bits
		"messages?cursor=__________8AAAAAAAAAAQ":         {"cursor"}, // before 1970
		"messages?cursor=f_________8AAAAAAAAAAQ":         {"cursor"}, // no such year
		"tickets?project_id=x":                           {"project_id"},
		"tickets?project_id=%2B1":                        {"project_id"},
		"tickets?project_id=0":                           {"project_id"},
		"tickets?assigned_to=01":                         {"assigned_to"},
		"tickets?assigned_to=9223372036854775808":        {"assigned_to"},
		"tickets?due_before=9999-12-31T23:59:59-01:00":   {"due_before"},
		"tickets?due_before=2026-01-01":                  {"due_before"},
		"messages?a%zz":                                  nil,
		"messages?a;b":                                   nil,
		"messages?username=" + strings.Repeat("x", 256):  {"username"},
		"messages?username=" + strings.Repeat("x", 3000): nil,
		"messages?" + strings.Repeat("x", 2000):          {strings.Repeat("x", 64)},
	} {
		t.Run(clipped(query)+" is 400", func(t *testing.T) {
			require.ElementsMatch(t, faults, w.do("GET /api/"+query, "").is(t, 400).faults(t))
		})
	}
}

func clipped(s string) string { return s[:min(len(s), 50)] }

func TestStoreFaults(t *testing.T) {
	w := newWorld(t)
	t.Run("an unknown error is a 500 that says nothing, and one line in the log", func(t *testing.T) {
		w.store.fault = errors.New("password=hunter2 for db refused")
		a := w.do("GET /api/messages?type=text", "").is(t, 500)
		require.NotContains(t, a.body, "hunter2")
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.Equal(t, 1, strings.Count(w.log.String(), "\n"), w.log.String())
		for _, want := range []string{"method=GET", `route="GET /api/messages"`, "status=500", "hunter2"} {
			require.Contains(t, w.log.String(), want)
		}
	})
	t.Run("a store that is gone is 503 with Retry-After, and its cause is logged", func(t *testing.T) {
		w.store.fault = &app.Error{Code: app.CodeUnavailable, Message: "the database is away", Cause: errors.New("dial tcp")}
		a := w.do("GET /api/messages", "").is(t, 503)
		require.NotEmpty(t, a.header.Get("Retry-After"))
		require.NotContains(t, a.body, "dial tcp")
		require.Contains(t, w.log.String(), "dial tcp")
	})
}
