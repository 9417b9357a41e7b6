package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/secheaders"
)

const tokenLifetime = 24 * time.Hour

// Authenticate finds the caller by a bearer token (RFC 6750 §2.1) or the session
// cookie and passes it on in the context. A bearer token that is wrong or expired
// is refused. A cookie that is means [app.Anonymous], like no token at all: a
// browser sends it without being asked, with pages and the login too.
func (a *API) Authenticate(next http.Handler) http.Handler {
	return a.serve(func(w http.ResponseWriter, r *http.Request) error {
		// A page of another site can make a browser send the cookie, but it
		// cannot know a token. This covers the login too, where a cookie is born.
		if _, ok := bearer(r); !ok && a.crossOrigin.Check(r) != nil {
			return app.Errorf(app.CodeForbidden, "this request comes from a page of another site")
		}
		token, ok := a.token(r)
		if !ok {
			next.ServeHTTP(w, r)
			return nil
		}
		user, err := a.store.UserByToken(r.Context(), hashToken(token), time.Now())
		if e, ok := errors.AsType[*app.Error](err); ok && e.Code == app.CodeUnauthenticated {
			if _, ok := bearer(r); !ok {
				http.SetCookie(w, a.cookie("", -1))
				next.ServeHTTP(w, r)
				return nil
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="api", error="invalid_token"`) // RFC 6750 §3.1
		}
		if err != nil {
			return err
		}
		inner := r.WithContext(app.WithPrincipal(r.Context(),
			app.Principal{UserID: user.ID, Username: user.Username, Role: user.Role}))
		// Outer layers look for the route in the request that they passed on.
		defer func() { r.Pattern, r.MultipartForm = inner.Pattern, inner.MultipartForm }()
		next.ServeHTTP(w, inner)
		return nil
	})
}

// bearer returns the token of the Authorization field. Other schemes are left
// to whoever asked for them, e.g. a proxy.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

func (a *API) token(r *http.Request) (token string, ok bool) {
	if token, ok := bearer(r); ok {
		return token, true
	}
	c, err := r.Cookie(a.cookieName())
	if err != nil || c.Value == "" {
		return "", false
	}
	return c.Value, true
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token)) // no salt: the token has 256 random bits
	return sum[:]
}

// cookieName pins the cookie to this host where that is possible: browsers take
// the prefix only with Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2).
func (a *API) cookieName() string {
	if a.secureCookies {
		return "__Host-session"
	}
	return "session"
}

func (a *API) cookie(token string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: a.cookieName(), Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: a.secureCookies, SameSite: http.SameSiteLaxMode}
}

type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

type session struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	User      app.User  `json:"user"`
}

func (a *API) login(w http.ResponseWriter, r *http.Request) error {
	in, err := decode[credentials](w, r)
	if err != nil {
		return err
	}
	if err := checkPassword(in.Password); err != nil {
		return err
	}
	user, err := a.userByName(r, in.Username)
	if err != nil {
		return err
	}
	ok, err := a.passwords.match(r.Context(), user.PasswordHash, in.Password)
	if err != nil {
		return err
	}
	if !ok {
		return app.Errorf(app.CodeUnauthenticated, "the user name or the password is wrong")
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	token := base64.RawURLEncoding.EncodeToString(secret)
	expires := time.Now().UTC().Truncate(time.Second).Add(tokenLifetime)
	if err := a.store.CreateToken(r.Context(), hashToken(token), user.ID, expires); err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(token, int(tokenLifetime.Seconds())))
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, session{Token: token, ExpiresAt: expires, User: user})
}

// userByName returns the zero user for an unknown name, so that the caller goes
// on as if there were one.
func (a *API) userByName(r *http.Request, name string) (app.User, error) {
	if err := (&app.User{Username: name, Role: app.RolePublic}).Validate(); err != nil {
		return app.User{}, err
	}
	user, err := a.store.GetUserByName(r.Context(), name)
	if e, ok := errors.AsType[*app.Error](err); ok && e.Code == app.CodeNotFound {
		return app.User{}, nil
	}
	return user, err
}

func (a *API) logout(w http.ResponseWriter, r *http.Request) error {
	if token, ok := a.token(r); ok {
		if err := a.store.DeleteToken(r.Context(), hashToken(token)); err != nil {
			return err
		}
	}
	http.SetCookie(w, a.cookie("", -1))
	secheaders.ClearSiteData(w, secheaders.ClearCookies, secheaders.ClearStorage)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type caller struct {
	Authenticated bool     `json:"authenticated"`
	ID            int64    `json:"id,omitempty"`
	Username      string   `json:"username,omitempty"`
	Role          app.Role `json:"role"`
}

func (a *API) me(w http.ResponseWriter, r *http.Request) error {
	p := app.PrincipalFrom(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK,
		caller{Authenticated: p.Authenticated(), ID: p.UserID, Username: p.Username, Role: p.Role})
}
