package dbmon_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
)

// lite is a database in memory under watch.
func lite(t *testing.T, o dbmon.Options) (*dbmon.Monitor, *sql.DB) {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	m, err := dbmon.New(o)
	require.NoError(t, err)
	db, err := m.Open("sqlite", ":memory:")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		require.NoError(t, m.Close())
	})
	return m, db
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		_, err := db.ExecContext(context.Background(), s)
		require.NoError(t, err)
	}
}

// used is a monitor that has seen six queries: those that make a table, one that
// writes, one that returns rows, one that fails.
func used(t *testing.T) *dbmon.Monitor {
	t.Helper()
	m, db := lite(t, dbmon.Options{Name: "shop", MaxQueries: 50})
	run(t, db, "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)",
		"INSERT INTO users(name) VALUES ('a'), ('b'), ('c')", "INSERT INTO users(name) VALUES ('d')")
	for range 4 {
		rows, err := db.QueryContext(context.Background(), "SELECT name FROM users ORDER BY id")
		require.NoError(t, err)
		for rows.Next() {
		}
		require.NoError(t, rows.Close())
	}
	_, err := db.ExecContext(context.Background(), "INSERT INTO users(id, name) VALUES (1, 'secret')")
	require.Error(t, err)
	return m
}

func answer(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// elements of a page, by tag.
func elements(t *testing.T, page string) map[string][]*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	all := map[string][]*html.Node{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all[n.Data] = append(all[n.Data], n)
		}
	}
	return all
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestStatsHandlerAnswers(t *testing.T) {
	h := used(t).StatsHandler()
	type want struct {
		code        int
		contentType string
		allow       string
	}
	page := want{200, "text/html; charset=utf-8", ""}
	jsonAnswer := want{200, "application/json", ""}
	bad := want{400, "application/problem+json", ""}
	method := want{405, "application/problem+json", "GET, HEAD, POST"}
	for name, c := range map[string]struct {
		method, target, accept string
		want                   want
	}{
		"a page to whoever says nothing":         {"GET", "/", "", page},
		"a page to whoever takes all":            {"GET", "/", "*/*", page},
		"a page to a browser":                    {"GET", "/", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", page},
		"a page to whoever takes neither":        {"GET", "/", "image/png", page},
		"JSON to whoever wants it":               {"GET", "/", "application/json", jsonAnswer},
		"JSON to whoever likes it more":          {"GET", "/", "text/html;q=0.5, application/json", jsonAnswer},
		"a page to whoever likes JSON less":      {"GET", "/", "text/html, application/json;q=0.9", page},
		"JSON by parameter":                      {"GET", "/?format=json", "text/html", jsonAnswer},
		"a page by parameter":                    {"GET", "/?format=html", "application/json", page},
		"HEAD like GET":                          {"HEAD", "/", "", page},
		"HEAD like GET, in JSON":                 {"HEAD", "/", "application/json", jsonAnswer},
		"every order, total":                     {"GET", "/?sort=total", "", page},
		"every order, calls":                     {"GET", "/?sort=calls", "", page},
		"every order, mean":                      {"GET", "/?sort=mean", "", page},
		"every order, max":                       {"GET", "/?sort=max", "", page},
		"every order, p95":                       {"GET", "/?sort=p95", "", page},
		"every order, rows":                      {"GET", "/?sort=rows", "", page},
		"every order, errors":                    {"GET", "/?sort=errors", "", page},
		"no other order":                         {"GET", "/?sort=text", "", bad},
		"no empty order":                         {"GET", "/?sort=", "", bad},
		"no limit of zero":                       {"GET", "/?limit=0", "", bad},
		"no negative limit":                      {"GET", "/?limit=-1", "", bad},
		"no limit beyond the table":              {"GET", "/?limit=51", "", bad},
		"no limit in words":                      {"GET", "/?limit=ten", "", bad},
		"no limit out of range":                  {"GET", "/?limit=99999999999999999999", "", bad},
		"no other form":                          {"GET", "/?format=xml", "", bad},
		"no parameter twice":                     {"GET", "/?limit=1&limit=2", "", bad},
		"no malformed query":                     {"GET", "/?sort=%zz", "", bad},
		"no semicolons":                          {"GET", "/?sort=calls;limit=1", "", bad},
		"parameters of others do not matter":     {"GET", "/?utm_source=x", "", page},
		"faults of HEAD as those of GET":         {"HEAD", "/?sort=text", "", bad},
		"no PUT":                                 {"PUT", "/", "", method},
		"no DELETE, to reset":                    {"DELETE", "/", "", method},
		"no OPTIONS":                             {"OPTIONS", "/", "", method},
		"no TRACE":                               {"TRACE", "/", "", method},
		"no other method, whatever the query is": {"PATCH", "/?sort=text", "", method},
		"faults of POST as those of GET":         {"POST", "/?sort=text", "", bad},
		"every method is in capitals":            {"get", "/", "", method},
	} {
		t.Run(name, func(t *testing.T) {
			var header []string
			if c.accept != "" {
				header = []string{"Accept", c.accept}
			}
			r := answer(h, c.method, c.target, header...)
			require.Equal(t, c.want, want{r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Allow")})
			require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
			require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
			if body := bodyOf(t, r); c.method == "HEAD" {
				require.Empty(t, body)
				require.NotEmpty(t, r.Header.Get("Content-Length"))
			} else {
				require.NotEmpty(t, body)
			}
			if r.StatusCode == 200 {
				require.Equal(t, !strings.Contains(c.target, "format="), r.Header.Get("Vary") == "Accept")
				require.True(t, strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'none'; "))
			}
		})
	}
}

func TestTheJSONHasWhatTheStatisticsHave(t *testing.T) {
	m := used(t)
	var got struct {
		dbmon.Statistics
		Known int `json:"known"`
	}
	body := bodyOf(t, answer(m.StatsHandler(), "GET", "/?format=json&limit=2&sort=calls"))
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&got))

	s := m.Statistics()
	require.Equal(t, len(s.Queries), got.Known)
	require.Len(t, got.Queries, 2)
	slices.SortStableFunc(s.Queries, func(a, b dbmon.QueryStats) int { return int(b.Calls) - int(a.Calls) })
	require.Equal(t, s.Queries[:2], got.Queries, "it reads back as it was")
	require.Equal(t, s.Total, got.Total)
	require.Equal(t, "shop", got.Database)
	require.NotContains(t, body, "secret")

	first := got.Queries[0]
	require.Equal(t, "SELECT name FROM users ORDER BY id", first.Text)
	require.Equal(t, "SELECT", first.Operation)
	require.EqualValues(t, []uint64{4, 16, 4, 0}, []uint64{first.Calls, first.Rows, first.WithRows, first.Errors})
}

// The shape is part of what must not change: programs read it.
func TestTheShapeOfTheJSON(t *testing.T) {
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(bodyOf(t, answer(used(t).StatsHandler(), "GET", "/?format=json"))), &got))
	figures := []string{
		"call_ns", "calls", "duplicates", "errors", "first_row_ns", "first_seen", "last_seen", "max_ns", "mean_ns", "min_ns", "n_plus_one", "p50_ns", "p95_ns",
		"p99_ns", "prepares", "preparing_ns", "retries", "rows", "slow", "stddev_ns", "total_ns", "with_rows",
	}
	without := func(keys ...string) []string {
		return slices.DeleteFunc(slices.Clone(figures), func(k string) bool { return slices.Contains(keys, k) })
	}
	with := func(keys ...string) []string { return slices.Sorted(slices.Values(append(keys, figures...))) }
	keys := func(v any) []string { return slices.Sorted(maps.Keys(v.(map[string]any))) }
	for _, key := range []string{"at", "blocks", "database", "evicted", "evictions", "known", "queries", "since", "total"} {
		require.Contains(t, got, key)
	}
	require.Equal(t, without("first_seen", "last_seen"), keys(got["evicted"]))
	require.Equal(t, with("outcomes"), keys(got["total"]))
	for _, q := range got["queries"].([]any) {
		if q.(map[string]any)["errors"].(float64) > 0 {
			require.Equal(t, with("id", "operation", "text", "outcomes"), keys(q))
		} else {
			require.Equal(t, with("id", "operation", "text"), keys(q))
		}
	}
}

func TestThePageHasItsStyleOnlyAndNoScript(t *testing.T) {
	r := answer(used(t).StatsHandler(), "GET", "/")
	policy := r.Header.Get("Content-Security-Policy")
	page := elements(t, bodyOf(t, r))
	require.Len(t, page["style"], 1)
	sum := sha256.Sum256([]byte(textOf(page["style"][0])))
	require.Contains(t, policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	for _, directive := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		require.Contains(t, strings.Split(policy, "; "), directive)
	}
	require.Empty(t, page["script"])
	require.Empty(t, page["link"])
	require.Empty(t, page["img"])
	for tag, nodes := range page {
		for _, n := range nodes {
			for _, a := range n.Attr {
				require.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src", "%s has %s", tag, a.Key)
			}
		}
	}
}

func TestThePageShowsEachQueryOnce(t *testing.T) {
	m := used(t)
	page := elements(t, bodyOf(t, answer(m.StatsHandler(), "GET", "/?sort=calls&limit=2")))
	require.Equal(t, "Queries of shop", textOf(page["h1"][0]))
	var rows []string
	for _, tr := range page["tr"] {
		if id := attribute(tr, "id"); id != "" {
			rows = append(rows, id)
		}
	}
	require.Len(t, rows, 2)
	require.Len(t, page["details"], 2)
	require.Equal(t, "SELECT name FROM users ORDER BY id", textOf(page["pre"][0]))
	require.Len(t, page["thead"], 1)

	var sorted, links []string
	for _, th := range page["th"] {
		if attribute(th, "aria-sort") != "" {
			sorted = append(sorted, textOf(th))
		}
	}
	for _, a := range page["a"] {
		links = append(links, attribute(a, "href"))
	}
	require.Equal(t, []string{"Calls"}, sorted)
	for _, href := range links {
		require.True(t, strings.HasPrefix(href, "?"), "%s works at any path", href)
		require.Equal(t, 200, answer(m.StatsHandler(), "GET", "/"+href).StatusCode, href)
	}
	for _, order := range []string{"total", "calls", "mean", "max", "p95", "rows", "errors"} {
		require.Contains(t, links, "?sort="+order+"&limit=2")
	}
	require.Contains(t, textOf(page["p"][0]), "2 of 4 queries, sorted by calls; the statistics hold 50 at most")
	require.Contains(t, textOf(page["tfoot"][0]), "All")
	require.NotContains(t, textOf(page["tfoot"][0]), "made room")
}

func TestThePageSaysWhatHadToMakeRoom(t *testing.T) {
	m, db := lite(t, dbmon.Options{MaxQueries: 2})
	run(t, db, "CREATE TABLE a(x)", "CREATE TABLE b(x)", "CREATE TABLE c(x)", "CREATE TABLE d(x)")
	s := m.Statistics()
	require.EqualValues(t, 2, s.Evictions)
	require.EqualValues(t, 2, s.Evicted.Calls)
	require.EqualValues(t, 4, s.Total.Calls)
	page := elements(t, bodyOf(t, answer(m.StatsHandler(), "GET", "/")))
	require.Contains(t, textOf(page["p"][0]), "2 times one made room")
	require.Contains(t, textOf(page["tfoot"][0]), "Queries that made room")
}

func TestThePageShowsBlocksRepetitionsAndPreparations(t *testing.T) {
	m, db := lite(t, dbmon.Options{})
	run(t, db, "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)")
	ctx, end := dbmon.Scope(context.Background())
	tracked, done := dbmon.Track(ctx, "fetch_users<b>")
	stmt, err := db.PrepareContext(tracked, "SELECT name FROM users WHERE id = ?")
	require.NoError(t, err)
	for i := range 10 {
		var name string
		require.ErrorIs(t, stmt.QueryRowContext(tracked, i).Scan(&name), sql.ErrNoRows)
	}
	require.NoError(t, stmt.Close())
	done()
	end()

	s := m.Statistics()
	require.Len(t, s.Blocks, 1)
	require.Equal(t, "fetch_users<b>", s.Blocks[0].Name)
	var query dbmon.QueryStats
	for _, q := range s.Queries {
		if q.Operation == "SELECT" {
			query = q
		}
	}
	require.EqualValues(t, []uint64{10, 1, 1, 0}, []uint64{query.Calls, query.Prepares, query.NPlusOne, query.Errors})
	require.Positive(t, query.Preparing)
	require.EqualValues(t, 1, s.Total.NPlusOne)
	require.EqualValues(t, 11, s.Total.Calls, "preparing is no call")

	page := elements(t, bodyOf(t, answer(m.StatsHandler(), "GET", "/")))
	require.Empty(t, page["b"])
	require.Len(t, page["table"], 2)
	require.Contains(t, textOf(page["table"][1]), "fetch_users<b>")
	require.Contains(t, textOf(page["tbody"][0]), "N+1in 1 scopes")

	m.ResetStatistics()
	require.Empty(t, m.Statistics().Blocks)
	require.Len(t, elements(t, bodyOf(t, answer(m.StatsHandler(), "GET", "/")))["table"], 1)
}

func TestAStatementThatCannotBePreparedIsAnErrorButNoCall(t *testing.T) {
	m, db := lite(t, dbmon.Options{})
	_, err := db.PrepareContext(context.Background(), "SELECT a FROM missing")
	require.Error(t, err)
	s := m.Statistics()
	require.Len(t, s.Queries, 1)
	require.EqualValues(t, []uint64{0, 1, 1}, []uint64{s.Queries[0].Calls, s.Queries[0].Prepares, s.Queries[0].Errors})
	require.NotZero(t, s.Queries[0].FirstSeen)
	require.Equal(t, 200, answer(m.StatsHandler(), "GET", "/").StatusCode)
}

func TestAnEmptyPageSaysSo(t *testing.T) {
	m, _ := lite(t, dbmon.Options{})
	r := answer(m.StatsHandler(), "GET", "/")
	require.Equal(t, 200, r.StatusCode)
	require.Contains(t, textOf(elements(t, bodyOf(t, r))["tbody"][0]), "None yet.")
	require.Contains(t, bodyOf(t, answer(m.StatsHandler(), "GET", "/?format=json")), `"queries": []`)
}

func TestAHostileTextIsOnlyText(t *testing.T) {
	m, db := lite(t, dbmon.Options{Name: "</title><script>alert(1)</script>"})
	for _, s := range []string{
		`SELECT 1 AS "</pre><script>alert(1)</script>"`,
		`SELECT x."</code></style><img src=x onerror=alert(1)>" FROM (SELECT 1) x`,
		"SELECT `\xff\xfe\x00<b>`.a FROM t",
		"SELECT [" + strings.Repeat("<script>", 1<<17) + "].a FROM t",
		"SELECT {{.Style}}, [{{template \"details\"}}].a FROM t",
	} {
		_, _ = db.ExecContext(context.Background(), s)
	}
	require.Greater(t, m.Statistics().Total.Calls+m.Statistics().Total.Prepares, uint64(4))
	r := answer(m.StatsHandler(), "GET", "/")
	body := bodyOf(t, r)
	require.Less(t, len(body), 64<<10)
	require.True(t, strings.ToValidUTF8(body, "") == body)
	page := elements(t, body)
	require.Empty(t, page["script"])
	require.Empty(t, page["img"])
	require.Empty(t, page["b"])
	require.Len(t, page["style"], 1)
	require.Len(t, page["pre"], len(m.Statistics().Queries))
	require.Equal(t, "Queries of </title><script>alert(1)</script>", textOf(page["h1"][0]))
	var s dbmon.Statistics
	require.NoError(t, json.Unmarshal([]byte(bodyOf(t, answer(m.StatsHandler(), "GET", "/?format=json"))), &s))
}

func TestResetIsForThisSiteOnly(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		code   int
	}{
		"the form of the page":              {[]string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 303},
		"the form in an older browser":      {[]string{"Origin", "http://example.com"}, 303},
		"no browser":                        {nil, 303},
		"another site":                      {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"}, 403},
		"a site of the same domain":         {[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://sub.example.com"}, 403},
		"another site in an older browser":  {[]string{"Origin", "http://evil.example"}, 403},
		"a page without an origin":          {[]string{"Origin", "null"}, 403},
		"a browser that lies to one of two": {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://example.com"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			m := used(t)
			before := m.Statistics()
			r := answer(m.StatsHandler(), "POST", "http://example.com/debug/queries", c.header...)
			require.Equal(t, c.code, r.StatusCode)
			require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
			after := m.Statistics()
			if c.code == 403 {
				require.Equal(t, before.Total, after.Total)
				require.Equal(t, before.Since, after.Since)
				return
			}
			require.Empty(t, after.Queries)
			require.Equal(t, dbmon.Figures{}, after.Total)
			require.False(t, after.Since.Before(before.Since))
		})
	}
}

func TestItWorksAtWhateverPathItIsMounted(t *testing.T) {
	m := used(t)
	outer := http.NewServeMux()
	inner := http.NewServeMux()
	inner.Handle("/queries/", m.StatsHandler())
	outer.Handle("/admin/db/", http.StripPrefix("/admin/db", inner))
	server := httptest.NewServer(outer)
	defer server.Close()
	url := server.URL + "/admin/db/queries/"

	r, err := http.Post(url+"?sort=max&limit=7", "application/x-www-form-urlencoded", nil)
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, url+"?sort=max&limit=7", r.Request.URL.String(), "where the redirect leads")
	form := elements(t, bodyOf(t, r))["form"]
	require.Len(t, form, 1)
	require.Empty(t, attribute(form[0], "action"), "to where the page is")
	require.Empty(t, m.Statistics().Queries)
}
