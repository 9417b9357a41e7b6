package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// TCP checks that something accepts connections at the address, a host and a
// port. The connection is closed at once, which some servers log as an error.
// What listens there, and whether it works, it cannot tell.
func TCP(address string) (Func, error) {
	if err := checkAddress(address); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		_ = conn.Close() // it has been accepted
		return nil
	}, nil
}

// checkAddress finds at the start what would fail in every run.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return errors.New("health: Address: must be a host and a port") // whatever it is, it may hold a secret
	case host == "": // would be the own machine, which is rarely meant
		return errors.New("health: Address: has no host")
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 1 || n > 65535) {
		return fmt.Errorf("health: Address: %d is not a port", n)
	} else if port == "" {
		return errors.New("health: Address: has no port")
	}
	return nil
}

// DNS checks that the name has an address, by the resolver or, if it is nil, by
// [net.DefaultResolver]. A name without a final dot is also looked for in the
// search domains of the machine. The fact is addresses, their number.
func DNS(name string, r *net.Resolver) (Func, error) {
	if name == "" {
		return nil, errors.New("health: Name: must not be empty")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return nil, errors.New("health: Name: is an address, for which no resolver is asked")
	}
	if r == nil {
		r = net.DefaultResolver
	}
	return func(ctx context.Context) error {
		addresses, err := r.LookupHost(ctx, name)
		if err != nil {
			return err
		}
		Set(ctx, "addresses", len(addresses))
		return nil
	}, nil
}
