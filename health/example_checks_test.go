package health_test

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/health"
)

func ExampleSQL() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	check := health.Check{Name: "database", Func: health.SQL(db)}
	fmt.Println(check.Name, check.Func(context.Background()))
	// Output: database <nil>
}

func ExampleSQLWith() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()

	orders := health.SQLWith(db, health.SQLOptions{Query: "SELECT id FROM orders LIMIT 1"})
	fmt.Println(orders(context.Background()))
	// Output: SQL logic error: no such table: orders (1)
}

func ExampleRedis() {
	rdb := redis.NewClient(&redis.Options{Addr: "cache:6379", ContextTimeoutEnabled: true})
	defer rdb.Close()

	do := func(ctx context.Context, args ...any) (any, error) {
		reply, err := rdb.Do(ctx, args...).Result()
		if errors.Is(err, redis.ErrPoolTimeout) {
			err = health.Degraded(health.WithReason(err, health.ReasonPoolSaturated))
		}
		return reply, err
	}
	_ = []health.Check{
		{Name: "cache", Func: health.Redis(do), Criticality: health.Degrading},
		{Name: "sessions", Func: health.RedisWrite(do, "shop:health")},
	}
}

func ExamplePing() {
	ping := func(ctx context.Context) error { return nil } // the method of a client
	check := health.Check{Name: "broker", Func: health.Ping(ping)}
	fmt.Println(check.Func(context.Background()))
	// Output: <nil>
}

func ExampleHTTP() {
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer models.Close()

	// A model server that has too much to do is no reason to send nobody here.
	check, err := health.HTTP(models.URL+"/api/version", health.HTTPOptions{DegradeOverload: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = health.Check{Name: "models", Func: check}
	fmt.Println(check(context.Background()) != nil)
	// Output: true
}

func ExampleTCP() {
	if _, err := health.TCP("mail.shop.example"); err != nil {
		fmt.Println(err)
	}
	check, err := health.TCP("mail.shop.example:25")
	fmt.Println(check != nil, err)
	// Output:
	// health: Address: must be a host and a port
	// true <nil>
}

func ExampleDNS() {
	check, err := health.DNS("localhost", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(check(context.Background()))
	// Output: <nil>
}

func ExampleCertificate() {
	// In a service: health.CertificateFile("/etc/tls/tls.crt"), or
	// health.CertificateOf("shop.example:443", "").
	load := func(context.Context) (*x509.Certificate, error) {
		return &x509.Certificate{NotAfter: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)}, nil
	}
	check := health.Certificate(load, health.CertificateOptions{Warn: 30 * 24 * time.Hour})
	fmt.Println(check(context.Background()))
	// Output: health: the certificate ended at 2020-01-02T03:04:05Z
}

func ExampleCertificateFile() {
	check := health.Certificate(health.CertificateFile("/nowhere/tls.crt"), health.CertificateOptions{})
	fmt.Println(check(context.Background()) != nil)
	// Output: true
}

func ExampleCertificateOf() {
	_ = health.Check{
		Name:     "certificate",
		Func:     health.Certificate(health.CertificateOf("127.0.0.1:443", "shop.example"), health.CertificateOptions{}),
		Interval: time.Hour,
	}
}

func ExampleHeartbeat() {
	var hub health.Heartbeat
	check := health.Check{Name: "websocket", Internal: hub.Within(10 * time.Second), Groups: []string{health.Liveness}}

	// The loop of the hub:
	messages, tick := make(chan string), time.NewTicker(time.Second)
	defer tick.Stop()
	close(messages)
	for open := true; open; {
		hub.Beat()
		select {
		case _, open = <-messages:
		case <-tick.C: // so that it beats when there is nothing to do, too
		}
	}
	fmt.Println(check.Internal(context.Background()))
	// Output: <nil>
}

func ExampleGoroutines() {
	check := health.Check{Name: "goroutines", Internal: health.Goroutines(10_000)}
	fmt.Println(check.Internal(context.Background()))
	// Output: <nil>
}
