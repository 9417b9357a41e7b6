// Package server tries the reference server in a real browser, behind a proxy that
// speaks TLS and adds to its page what an attacker would.
package server
