package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"time"
)

// CertificateOptions configure [Certificate].
type CertificateOptions struct {
	// Warn is how long before its end a certificate degrades. Choose less than
	// the time by which it should have been renewed.
	// Default: 14 days. Negative: off.
	Warn time.Duration
}

// Certificate checks the dates of a certificate, which load fetches in every run:
// [CertificateFile] or [CertificateOf]. One that ends soon is degraded, one that
// has ended or is not valid yet is unhealthy, both as [ReasonExpiring]. Whether it
// is trusted, and fits its key and its host, it does not check.
//
// The facts are not_after and expires_in_days, which is negative after the end.
func Certificate(load func(ctx context.Context) (*x509.Certificate, error), o CertificateOptions) Func {
	if load == nil {
		return func(context.Context) error { return errors.New("health: Certificate: no function") }
	}
	warn := cmp.Or(o.Warn, 14*24*time.Hour)
	return func(ctx context.Context) error {
		c, err := load(ctx)
		if err != nil {
			return err
		}
		if c == nil {
			return errors.New("health: no certificate")
		}
		left := time.Until(c.NotAfter)
		Set(ctx, "not_after", c.NotAfter.UTC().Format(time.RFC3339))
		Set(ctx, "expires_in_days", int(math.Floor(left.Hours()/24)))
		return expiry(c, left, warn)
	}
}

func expiry(c *x509.Certificate, left, warn time.Duration) error {
	switch {
	case time.Until(c.NotBefore) > 0:
		return WithReason(fmt.Errorf("health: the certificate is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339)), ReasonExpiring)
	case left < 0: // NotAfter itself is part of the time (RFC 5280 §4.1.2.5)
		return WithReason(fmt.Errorf("health: the certificate ended at %s", c.NotAfter.UTC().Format(time.RFC3339)), ReasonExpiring)
	case warn > 0 && left <= warn:
		return Degraded(WithReason(fmt.Errorf("health: the certificate ends at %s", c.NotAfter.UTC().Format(time.RFC3339)), ReasonExpiring))
	}
	return nil
}

const maxCertificateFile = 1 << 20

// CertificateFile reads the first certificate of a PEM file, which by convention
// is that of the server, with those of its authorities after it. The file is read
// in every run, so that it may be renewed; what the server has loaded may be
// older, which only [CertificateOf] shows.
func CertificateFile(path string) func(ctx context.Context) (*x509.Certificate, error) {
	return func(context.Context) (*x509.Certificate, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := io.ReadAll(io.LimitReader(f, maxCertificateFile))
		if err != nil {
			return nil, err
		}
		for {
			var block *pem.Block
			block, data = pem.Decode(data)
			if block == nil {
				return nil, errors.New("health: the file has no certificate")
			}
			if block.Type == "CERTIFICATE" { // a key may stand before it
				return x509.ParseCertificate(block.Bytes)
			}
		}
	}
}

// CertificateOf fetches the certificate that a TLS server shows at the address, a
// host and a port, to a client that asks for serverName; if that is empty, for the
// host of the address.
//
// The certificate is not verified, because one that has ended is to be shown and
// not to fail, and nothing is sent over the connection: the answer is good for a
// look at the dates and for nothing else.
func CertificateOf(address, serverName string) func(ctx context.Context) (*x509.Certificate, error) {
	return func(ctx context.Context) (*x509.Certificate, error) {
		if err := checkAddress(address); err != nil {
			return nil, err
		}
		host, _, _ := net.SplitHostPort(address)
		var leaf *x509.Certificate
		d := tls.Dialer{Config: &tls.Config{
			ServerName:         cmp.Or(serverName, host),
			InsecureSkipVerify: true, // see above
			VerifyConnection: func(s tls.ConnectionState) error {
				leaf = s.PeerCertificates[0]
				return nil
			},
		}}
		conn, err := d.DialContext(ctx, "tcp", address)
		if leaf != nil {
			err = nil // a server that asks for our certificate has shown its own by then
		}
		if conn != nil {
			_ = conn.Close()
		}
		return leaf, err
	}
}
