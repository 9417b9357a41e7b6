package health_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func TestAPortIsOpenOrNot(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	open, err := health.TCP(l.Addr().String())
	require.NoError(t, err)
	requireHealthy(t, timed(t, open, 5*time.Second))
	conn, err := l.Accept()
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err, "it is closed again")

	closed, err := health.TCP(closedAddress(t))
	require.NoError(t, err)
	requireVerdict(t, timed(t, closed, 5*time.Second), health.StatusUnhealthy, health.ReasonRefused)
	unknown, err := health.TCP("name.invalid.:80") // RFC 6761 §6.4
	require.NoError(t, err)
	requireVerdict(t, timed(t, unknown, 5*time.Second), health.StatusUnhealthy, health.ReasonDNS)
}

func TestAnAddressThatCannotWorkIsRefused(t *testing.T) {
	for _, address := range []string{"", "host", ":80", "host:", "host:0", "host:65536", "host:-1", "::1:80", "redis://me:s3cret@host:1"} {
		_, err := health.TCP(address)
		require.ErrorContains(t, err, "health: Address: ", address)
		require.NotContains(t, err.Error(), "s3cret")
		_, err = health.CertificateOf(address, "")(t.Context())
		require.ErrorContains(t, err, "health: Address: ", address)
	}
	for _, address := range []string{"[::1]:80", "host:https", "127.0.0.1:65535"} {
		_, err := health.TCP(address)
		require.NoError(t, err)
	}
}

func TestANameHasAnAddressOrNot(t *testing.T) {
	check := func(name string, r *net.Resolver) (map[string]any, error) {
		f, err := health.DNS(name, r)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return health.Run(ctx, f)
	}
	facts, err := check("localhost", nil)
	requireHealthy(t, err)
	require.Positive(t, facts["addresses"])
	_, err = check("name.invalid.", nil) // RFC 6761 §6.4
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonDNS)
	away := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("away") }}
	_, err = check("shop.test.", away)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonDNS)

	for _, name := range []string{"", "127.0.0.1", "::1"} {
		_, err := health.DNS(name, nil)
		require.ErrorContains(t, err, "health: Name: ", name)
	}
}
