package health_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// issue makes a certificate that signs itself.
func issue(t testing.TB, name string, notBefore, notAfter time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: notBefore, NotAfter: notAfter}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestACertificateIsJudgedByItsDates(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		start, end     time.Duration // from now
		warn           time.Duration
		status, reason string
		days           int
	}{
		"fresh":                        {-day, 90 * day, 0, health.StatusHealthy, "", 90},
		"a second before the warning":  {-day, 14*day + time.Second, 0, health.StatusHealthy, "", 14},
		"ends soon":                    {-day, 14 * day, 0, health.StatusDegraded, health.ReasonExpiring, 14},
		"ends within the day":          {-day, time.Second, 0, health.StatusDegraded, health.ReasonExpiring, 0},
		"its last second":              {-day, 0, 0, health.StatusDegraded, health.ReasonExpiring, 0},
		"just ended":                   {-day, -time.Second, 0, health.StatusUnhealthy, health.ReasonExpiring, -1},
		"long ended":                   {-90 * day, -30 * day, 0, health.StatusUnhealthy, health.ReasonExpiring, -30},
		"not yet valid":                {time.Second, 90 * day, 0, health.StatusUnhealthy, health.ReasonExpiring, 90},
		"the first second":             {0, 90 * day, 0, health.StatusHealthy, "", 90},
		"an own warning":               {-day, 20 * day, 30 * day, health.StatusDegraded, health.ReasonExpiring, 20},
		"a shorter warning":            {-day, 10 * day, 7 * day, health.StatusHealthy, "", 10},
		"no warning":                   {-day, time.Second, -1, health.StatusHealthy, "", 0},
		"no warning, but ended anyway": {-day, -time.Second, -1, health.StatusUnhealthy, health.ReasonExpiring, -1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				leaf := &x509.Certificate{NotBefore: now.Add(c.start), NotAfter: now.Add(c.end)}
				load := func(context.Context) (*x509.Certificate, error) { return leaf, nil }
				facts, err := health.Run(t.Context(), health.Certificate(load, health.CertificateOptions{Warn: c.warn}))
				requireVerdict(t, err, c.status, c.reason)
				require.Equal(t, map[string]any{
					"not_after": now.Add(c.end).UTC().Format(time.RFC3339), "expires_in_days": c.days,
				}, facts)
			})
		})
	}
}

func TestACertificateThatCannotBeLoadedIsUnhealthy(t *testing.T) {
	lost := errors.New("lost")
	failing := func(context.Context) (*x509.Certificate, error) { return nil, lost }
	require.ErrorIs(t, health.Certificate(failing, health.CertificateOptions{})(t.Context()), lost)
	empty := func(context.Context) (*x509.Certificate, error) { return nil, nil }
	require.ErrorContains(t, health.Certificate(empty, health.CertificateOptions{})(t.Context()), "no certificate")
	require.ErrorContains(t, health.Certificate(nil, health.CertificateOptions{})(t.Context()), "no function")
}

func TestTheFirstCertificateOfAFileIsRead(t *testing.T) {
	now := time.Now()
	leaf, authority := issue(t, "leaf.test", now, now.Add(time.Hour)), issue(t, "authority.test", now, now.Add(2*time.Hour))
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	first, second := encode("CERTIFICATE", leaf.Certificate[0]), encode("CERTIFICATE", authority.Certificate[0])
	path := filepath.Join(t.TempDir(), "tls.pem")
	load := health.CertificateFile(path)

	_, err := load(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	for name, content := range map[string]string{
		"alone":               first,
		"with its authority":  first + second,
		"after its key":       encode("PRIVATE KEY", []byte("key")) + first + second,
		"among words":         "subject: leaf\n" + first + "subject: authority\n" + second,
		"before what is long": first + strings.Repeat("#", 2<<20),
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		got, err := load(t.Context())
		require.NoError(t, err, name)
		require.Equal(t, leaf.Leaf.DNSNames, got.DNSNames, name)
	}
	for name, content := range map[string]string{
		"empty": "", "words": "no certificate", "a key": encode("PRIVATE KEY", []byte("s3cret")), "rubbish": encode("CERTIFICATE", []byte("s3cret")),
		"too far": strings.Repeat("#", 2<<20) + "\n" + first,
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := load(t.Context())
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "s3cret", name)
	}
}

func FuzzCertificateFile(f *testing.F) {
	now := time.Now()
	c := issue(f, "leaf.test", now, now.Add(time.Hour))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "tls.pem")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		got, err := health.CertificateFile(path)(t.Context())
		require.Equal(t, err == nil, got != nil)
	})
}

func TestTheCertificateOfAServerIsFetched(t *testing.T) {
	now := time.Now()
	ended := issue(t, "ended.test", now.Add(-2*time.Hour), now.Add(-time.Hour))
	fresh := issue(t, "fresh.test", now.Add(-time.Hour), now.Add(1000*time.Hour))
	config := &tls.Config{
		Certificates: []tls.Certificate{ended}, // for who does not say whom he wants
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			require.Equal(t, "fresh.test", hello.ServerName)
			return &fresh, nil
		},
	}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequireAnyClientCert} {
			srv := httptest.NewUnstartedServer(http.NotFoundHandler())
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.TLS = config.Clone()
			srv.TLS.MaxVersion, srv.TLS.ClientAuth = version, auth
			srv.StartTLS()
			address := srv.Listener.Addr().String()
			check := func(serverName string) health.Func {
				return health.Certificate(health.CertificateOf(address, serverName), health.CertificateOptions{})
			}
			requireHealthy(t, timed(t, check("fresh.test"), 5*time.Second))
			err := timed(t, check(""), 5*time.Second)
			requireVerdict(t, err, health.StatusUnhealthy, health.ReasonExpiring)
			require.ErrorContains(t, err, "ended at", name)
			srv.Close()
		}
	}
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, err := health.CertificateOf(plain.Listener.Addr().String(), "")(t.Context())
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTLS)
	_, err = health.CertificateOf(closedAddress(t), "")(t.Context())
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonRefused)
}
