package httpapi_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/httpapi"
)

const annsPassword = "correct horse battery"

// withPassword gives ann a password.
func (w *world) withPassword() *world {
	hash, err := httpapi.HashPassword(annsPassword)
	require.NoError(w.t, err)
	ann, err := w.store.GetUser(w.t.Context(), 2)
	require.NoError(w.t, err)
	ann.PasswordHash = hash
	_, err = w.store.UpdateUser(w.t.Context(), ann)
	require.NoError(w.t, err)
	return w
}

const loginBody = `{"username":"ann","password":"` + annsPassword + `"}`

func (a answer) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	cookies := (&http.Response{Header: a.header}).Cookies()
	require.Len(t, cookies, 1)
	return cookies[0]
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.token("late", 2, time.Now().Add(-time.Second))
	for _, c := range []struct {
		name, authorization string
		status              int
		user                string
	}{
		{"no token is nobody", "", 200, ""},
		{"a token is its user", "Bearer ann", 200, "ann"},
		{"the scheme has no case (RFC 9110 §11.1)", "bEARER  ann", 200, "ann"},
		{"a wrong token is 401", "Bearer nonsense", 401, ""},
		{"an expired token is 401", "Bearer late", 401, ""},
		{"an empty token is 401", "Bearer", 401, ""},
		{"another scheme is no token", "Basic YTpi", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do("GET /api/me", "", "Authorization", c.authorization).is(t, c.status)
			if c.status == 401 {
				require.Equal(t, `Bearer realm="api", error="invalid_token"`, a.header.Get("WWW-Authenticate"))
				require.Empty(t, a.header.Get("Set-Cookie"))
				return
			}
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			me := a.json(t)
			require.Equal(t, c.user != "", me["authenticated"])
			if c.user == "" {
				require.Equal(t, "public", me["role"])
			} else {
				require.Equal(t, c.user, me["username"])
			}
		})
	}
	t.Run("a missing login is 401 with a plain challenge", func(t *testing.T) {
		a := w.do("POST /api/messages", `{"body":"x"}`).is(t, 401)
		require.Equal(t, `Bearer realm="api"`, a.header.Get("WWW-Authenticate"))
	})
}

func TestLogin(t *testing.T) {
	w := newWorld(t).withPassword()
	t.Run("a login yields a token and a cookie that work until the logout", func(t *testing.T) {
		a := w.do("POST /api/login", loginBody).is(t, 200)
		s := a.json(t)
		token := s["token"].(string)
		require.Len(t, token, 43, "256 bits in base64url")
		expires, err := time.Parse(time.RFC3339, s["expires_at"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(24*time.Hour), expires, time.Minute)
		require.Equal(t, "ann", s["user"].(map[string]any)["username"])
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.NotContains(t, w.store.tokens, token, "the store knows only the hash")

		c := a.cookie(t)
		require.Equal(t, token, c.Value)
		require.Equal(t, "session", c.Name)
		require.True(t, c.HttpOnly)
		require.False(t, c.Secure)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, "/", c.Path)
		require.Equal(t, 24*60*60, c.MaxAge)

		cookie := "session=" + token
		require.Equal(t, "ann", w.do("GET /api/me", "", "Cookie", cookie).json(t)["username"])
		require.Equal(t, "ann", w.do(token+" GET /api/me", "").json(t)["username"])
		require.Equal(t, "bob", w.do("bob GET /api/me", "", "Cookie", cookie).json(t)["username"], "the header wins")

		out := w.do("POST /api/logout", "", "Cookie", cookie).is(t, 204)
		require.Negative(t, out.cookie(t).MaxAge)
		w.do(token+" GET /api/me", "").is(t, 401)
		stale := w.do("GET /api/me", "", "Cookie", cookie).is(t, 200)
		require.Equal(t, false, stale.json(t)["authenticated"], "pages and the login must go on working")
		w.do("POST /api/messages", `{"body":"x"}`, "Cookie", cookie).is(t, 401)
		require.Negative(t, stale.cookie(t).MaxAge, "a browser must get rid of a cookie that no longer works")
	})
	t.Run("a logout without a login is fine", func(t *testing.T) {
		w.do("POST /api/logout", "").is(t, 204)
	})
	t.Run("a new password logs out everywhere, another change does not", func(t *testing.T) {
		w := newWorld(t).withPassword()
		login := w.do("POST /api/login", loginBody).is(t, 200).json(t)
		token := "Bearer " + login["token"].(string)
		path := "/api/users/" + strconv.Itoa(int(login["user"].(map[string]any)["id"].(float64)))
		w.do("root PUT "+path, `{"username":"ann","role":"authenticated"}`, "If-Match", "*").is(t, 200)
		w.do("GET /api/me", "", "Authorization", token).is(t, 200)
		w.do("root PUT "+path, `{"username":"ann","password":"a new password"}`, "If-Match", "*").is(t, 200)
		w.do("GET /api/me", "", "Authorization", token).is(t, 401)
		w.do("root GET /api/me", "").is(t, 200)
	})
	t.Run("over HTTPS the cookie is Secure and bound to the host", func(t *testing.T) {
		w := newWorld(t, func(o *httpapi.Options) { o.SecureCookies = true }).withPassword()
		c := w.do("POST /api/login", loginBody).is(t, 200).cookie(t)
		require.True(t, c.Secure)
		require.Equal(t, "__Host-session", c.Name)
		require.Equal(t, "ann", w.do("GET /api/me", "", "Cookie", c.Name+"="+c.Value).json(t)["username"])
	})
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"a wrong password is 401", `{"username":"ann","password":"wrong"}`, 401},
		{"an unknown user is 401", `{"username":"nobody","password":"wrong"}`, 401},
		{"a user without a password is 401", `{"username":"bob","password":"x"}`, 401},
		{"a name that can be no user's is 422", `{"username":"a\u0000b","password":"x"}`, 422},
		{"no password is 422", `{"username":"ann"}`, 422},
		{"a password of 73 bytes is 422", `{"username":"ann","password":"` + strings.Repeat("x", 73) + `"}`, 422},
		{"no JSON is 400", `x`, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do("POST /api/login", c.body).is(t, c.status)
			require.Empty(t, a.header.Get("Set-Cookie"))
			require.Equal(t, c.status == 401, a.header.Get("WWW-Authenticate") != "")
		})
	}
	t.Run("a wrong password and an unknown user get the same answer", func(t *testing.T) {
		require.Equal(t, w.do("POST /api/login", `{"username":"ann","password":"wrong"}`).body,
			w.do("POST /api/login", `{"username":"nobody","password":"wrong"}`).body)
	})
	t.Run("a stored hash that cannot be read is a 500", func(t *testing.T) {
		bob, _ := w.store.GetUser(t.Context(), 3)
		bob.PasswordHash = "garbage"
		_, err := w.store.UpdateUser(t.Context(), bob)
		require.NoError(t, err)
		w.do("POST /api/login", `{"username":"bob","password":"x"}`).is(t, 500)
	})
}

func TestUserPasswords(t *testing.T) {
	w := newWorld(t)
	login := func(password string) int {
		return w.do("POST /api/login", `{"username":"carl","password":"`+password+`"}`).status
	}
	made := w.do("root POST /api/users", `{"username":"carl","password":"first password"}`).is(t, 201)
	require.Equal(t, "authenticated", made.json(t)["role"])
	require.Equal(t, 200, login("first password"))
	t.Run("a change without a password keeps the old one", func(t *testing.T) {
		w.do("root PUT "+made.header.Get("Location"), `{"username":"carl"}`, "If-Match", "*").is(t, 200)
		require.Equal(t, 200, login("first password"))
	})
	t.Run("a change with one replaces it", func(t *testing.T) {
		w.do("root PUT "+made.header.Get("Location"), `{"username":"carl","password":"second one"}`, "If-Match", "*").is(t, 200)
		require.Equal(t, 401, login("first password"))
		require.Equal(t, 200, login("second one"))
	})
	t.Run("a new role holds for tokens given out before", func(t *testing.T) {
		w.do("root PUT /api/users/2", `{"username":"ann","role":"public"}`, "If-Match", "*").is(t, 200)
		w.do("ann POST /api/messages", `{"body":"x"}`).is(t, 403)
	})
	t.Run("a hash for seeding obeys the same bounds", func(t *testing.T) {
		for _, p := range []string{"", strings.Repeat("x", 73)} {
			_, err := httpapi.HashPassword(p)
			var e *app.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, app.CodeInvalid, e.Code)
		}
	})
}

func TestCrossSiteRequests(t *testing.T) {
	w := newWorld(t).withPassword()
	for _, c := range []struct {
		name, request, body string
		header              []string
		status              int
	}{
		{"our own page posts", "POST /api/messages", `{"body":"x"}`,
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "same-origin"}, 201},
		{"a client that is no browser posts", "POST /api/messages", `{"body":"x"}`, []string{"Cookie", "session=ann"}, 201},
		{"a page of another site does not", "POST /api/messages", `{"body":"x"}`,
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "cross-site"}, 403},
		{"nor one of a sister site", "POST /api/messages", `{"body":"x"}`,
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "same-site"}, 403},
		{"nor in an old browser", "POST /api/messages", `{"body":"x"}`,
			[]string{"Cookie", "session=ann", "Origin", "https://evil.example"}, 403},
		{"nor with another scheme in front of the cookie", "POST /api/messages", `{"body":"x"}`,
			[]string{"Cookie", "session=ann", "Authorization", "Basic YTpi", "Sec-Fetch-Site", "cross-site"}, 403},
		{"nor does it delete", "DELETE /api/projects/1", "",
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "cross-site"}, 403},
		{"nor log anyone in", "POST /api/login", loginBody, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"nor log anyone out", "POST /api/logout", "",
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "cross-site"}, 403},
		{"with a token it may, since it knows a secret", "ann POST /api/messages", `{"body":"x"}`,
			[]string{"Sec-Fetch-Site", "cross-site"}, 201},
		{"anyone may link to us", "GET /api/messages", "",
			[]string{"Cookie", "session=ann", "Sec-Fetch-Site", "cross-site"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) { w.do(c.request, c.body, c.header...).is(t, c.status) })
	}
}

func TestLoginFlood(t *testing.T) {
	t.Run("a flood of logins is answered, most of it with 503, and others go on", func(t *testing.T) {
		w := newWorld(t).withPassword()
		const requests = 200
		var (
			mu    sync.Mutex
			count = map[int]int{}
			flood sync.WaitGroup
		)
		for range requests {
			flood.Go(func() {
				req, _ := http.NewRequestWithContext(context.Background(), "POST", w.url+"/api/login", strings.NewReader(loginBody))
				req.Header.Set("Content-Type", "application/json")
				resp, err := w.client.Do(req)
				if err != nil {
					return
				}
				resp.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				count[resp.StatusCode]++
				if resp.StatusCode == 503 && resp.Header.Get("Retry-After") == "" {
					count[0]++
				}
			})
		}
		w.do("GET /api/messages", "").is(t, 200)
		flood.Wait()
		require.Equal(t, requests, count[200]+count[503], "%v", count)
		require.Positive(t, count[200])
		require.Positive(t, count[503])
		require.Zero(t, count[0], "every 503 says when to come back")
		require.Empty(t, w.log.String(), "a flood does not fill the log")
		w.do("POST /api/login", loginBody).is(t, 200)
	})
}
