package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// HTTPOptions configure [HTTP].
type HTTPOptions struct {
	// Method is GET, HEAD or OPTIONS: a probe must not change anything (RFC 9110
	// §9.2.1).
	// Default: GET.
	Method string
	// Header is sent with the request.
	// Default: a User-Agent of "sluice-health".
	Header http.Header
	// Client sends the request. Its CheckRedirect is asked about the redirects
	// that the check would follow.
	// Default: a client of the check's own, which keeps no connections.
	Client *http.Client
	// MaxBody is how many bytes of the answer are read. They must arrive without
	// an error, what comes after them does not count.
	// Default: 64 KiB. Negative: none, the header is enough.
	MaxBody int64
	// DegradeOverload makes statuses 429 and 5xx degrade only.
	// Default: false.
	DegradeOverload bool
	// Healthy says which statuses are a success.
	// Default: 2xx.
	Healthy func(status int) bool
}

// HTTP checks a service by a request to the URL. Choose a path that costs the
// service little and changes nothing: for a model server one that lists models
// or its version, never one that loads a model.
//
// A status of 2xx is healthy. Of the others 401, 403 and 407 are [ReasonAuth],
// 429 and 503 [ReasonOverloaded], 507 [ReasonFull], the rest [ReasonStatus]. That
// includes 304 and 404: the path is wrong, or somebody else answers there.
// Redirects are followed, up to three, as long as they stay on the same host and
// do not leave https; another one is an answer of 3xx, and no success. 1xx are not
// answers, only 101 is, and no success.
//
// User and password in the URL are sent as basic authentication and are, like its
// query, in no error; its path is. The fact is status_code.
func HTTP(rawURL string, o HTTPOptions) (Func, error) {
	var faults []error
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		// The error of url.Parse quotes the URL.
		faults = append(faults, errors.New("health: URL: must be an absolute http or https URL"))
	}
	o.Method = cmp.Or(o.Method, http.MethodGet)
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, o.Method) {
		faults = append(faults, fmt.Errorf("health: Method: %.20q is not GET, HEAD or OPTIONS", o.Method))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if o.Healthy == nil {
		o.Healthy = func(status int) bool { return status/100 == 2 }
	}
	o.MaxBody = cmp.Or(o.MaxBody, 64<<10)
	p := &httpProbe{o: o, url: *u, header: o.Header.Clone(), client: client(o.Client)}
	p.prepare()
	return p.run, nil
}

type httpProbe struct {
	o      HTTPOptions
	url    url.URL // without userinfo
	header http.Header
	client *http.Client
	name   string // of the request, for errors
}

// prepare moves the userinfo to the header, where no error quotes it.
func (p *httpProbe) prepare() {
	if p.header == nil {
		p.header = http.Header{}
	}
	if p.header.Get("User-Agent") == "" {
		p.header.Set("User-Agent", "sluice-health")
	}
	if user := p.url.User; user != nil && p.header.Get("Authorization") == "" {
		password, _ := user.Password()
		r := http.Request{Header: p.header}
		r.SetBasicAuth(user.Username(), password)
	}
	p.url.User = nil
	p.name = p.o.Method + " " + (&url.URL{Scheme: p.url.Scheme, Host: p.url.Host, Path: p.url.Path}).String()
}

func (p *httpProbe) run(ctx context.Context) error {
	r := (&http.Request{Method: p.o.Method, URL: &p.url, Header: p.header.Clone(), Host: p.header.Get("Host")}).WithContext(ctx)
	resp, err := p.client.Do(r)
	if err != nil {
		return p.failed(err)
	}
	defer resp.Body.Close()
	Set(ctx, "status_code", resp.StatusCode)
	if !p.o.Healthy(resp.StatusCode) {
		return p.refused(resp.StatusCode)
	}
	if p.o.MaxBody < 0 {
		return nil
	}
	// A service that hangs may do so after its header, and a client can use a
	// connection again only when it has read the answer to its end.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, p.o.MaxBody)); err != nil {
		return p.failed(err)
	}
	return nil
}

// failed leaves out what url.Error says: it quotes the URL with its query, which
// may hold a key.
func (p *httpProbe) failed(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fmt.Errorf("health: %s: %w", p.name, err)
}

func (p *httpProbe) refused(status int) error {
	err := WithReason(fmt.Errorf("health: %s: status %d", p.name, status), statusReason(status))
	if p.o.DegradeOverload && (status == http.StatusTooManyRequests || status/100 == 5) {
		return Degraded(err)
	}
	return err
}

func statusReason(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return ReasonAuth
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return ReasonOverloaded
	case http.StatusInsufficientStorage:
		return ReasonFull
	}
	return ReasonStatus
}

// client is a copy of c, or one of our own, that stays on the host.
func client(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{}).DialContext,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // the limit of the body is one of the wire
			DisableKeepAlives:      true, // each run is to show that one can connect
			MaxResponseHeaderBytes: 64 << 10,
		}}
	}
	ours, theirs := *c, c.CheckRedirect
	ours.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 || !staysOnHost(via[len(via)-1].URL, r.URL) {
			return http.ErrUseLastResponse
		}
		if theirs != nil {
			return theirs(r, via)
		}
		return nil
	}
	return &ours
}

// staysOnHost allows a redirect within the origin (RFC 6454 §4), and the usual one
// from http to https.
func staysOnHost(from, to *url.URL) bool {
	fromPort, toPort := port(from), port(to)
	samePort := from.Scheme == to.Scheme && fromPort == toPort || fromPort == "80" && toPort == "443"
	return samePort && strings.EqualFold(from.Hostname(), to.Hostname())
}

func port(u *url.URL) string {
	if u.Scheme == "https" {
		return cmp.Or(u.Port(), "443")
	}
	return cmp.Or(u.Port(), "80")
}
