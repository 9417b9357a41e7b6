package health_test

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-go/sluice/health"
)

// show prints the status code of an answer, and its body if that is text.
func show(h http.Handler, r *http.Request) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := ""
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		body = w.Body.String()
	}
	fmt.Println(strings.TrimSpace(fmt.Sprintf("%s %s: %d %s", r.Method, r.URL, w.Code, body)))
}

// The probes are on an outer mux, so that no layer of the service stands before
// them; the service itself is behind the middleware, so that a drain knows each
// of its requests.
func Example() {
	ran := make(chan struct{}, 1)
	hc, err := health.New(health.Options{
		Checks:   []health.Check{{Name: "database", Func: func(context.Context) error { return nil }}},
		OnResult: func(check, status string, d time.Duration, err error) { ran <- struct{}{} },
		System:   health.SystemOptions{Disable: true},
	})
	if err != nil {
		panic(err)
	}
	defer hc.Close()
	service := http.NewServeMux()
	service.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })

	root := http.NewServeMux()
	hc.Mount(root)
	root.Handle("/", hc.Middleware(service))

	<-ran
	for _, target := range []string{"/health", "/health/liveness", "/health/readiness", "/readyz", "/health/detailed", "/health/readyness"} {
		show(root, httptest.NewRequest("GET", target, nil))
	}
	show(root, httptest.NewRequest("OPTIONS", "/health/readiness", nil))
	// Output:
	// GET /health: 200
	// GET /health/liveness: 200
	// GET /health/readiness: 200
	// GET /readyz: 200 ok
	// GET /health/detailed: 403
	// GET /health/readyness: 404
	// OPTIONS /health/readiness: 200
}

// A group of your own is a path. A check that is not critical degrades what it
// is a part of, which still answers 200.
func ExampleCheck_groups() {
	down := func(context.Context) error { return errors.New("no route to host") }
	hc, err := health.New(health.Options{
		Checks: []health.Check{
			{Name: "archive", Func: down, Groups: []string{"storage"}},
			{Name: "mail", Func: down, Groups: []string{"readiness", "storage"}, Criticality: health.Degrading},
		},
		OnDemand: true, // the checks run when they are asked for
		System:   health.SystemOptions{Disable: true},
	})
	if err != nil {
		panic(err)
	}
	defer hc.Close()
	for _, target := range []string{"/health/storage", "/health/readiness", "/health"} {
		show(hc.Handler(), httptest.NewRequest("GET", target, nil))
	}
	for _, name := range []string{"storage", "readiness"} {
		report, _ := hc.Report(name)
		fmt.Println(name, "is", report.Status, "because of", report.Reason)
	}
	// Output:
	// GET /health/storage: 503
	// GET /health/readiness: 200
	// GET /health: 503
	// storage is unhealthy because of other
	// readiness is degraded because of other
}

// Details for whoever brings a token, wherever the request comes from.
func ExampleDetailsPolicy() {
	const token = "Bearer 1c9d6f0e" // from the configuration
	hc, err := health.New(health.Options{
		Checks: []health.Check{{Name: "database", Func: func(context.Context) error {
			return health.WithReason(errors.New("max_connections reached"), "full")
		}}},
		Details: func(r *http.Request) bool {
			return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(token)) == 1
		},
		OnDemand: true,
		System:   health.SystemOptions{Disable: true},
	})
	if err != nil {
		panic(err)
	}
	defer hc.Close()
	r := httptest.NewRequest("GET", "/readyz?verbose", nil)
	show(hc.Handler(), r)
	r.Header.Set("Authorization", token)
	show(hc.Handler(), r)
	// Output:
	// GET /readyz?verbose: 503 readyz check failed
	// GET /readyz?verbose: 503 [-]database failed: full
	// readyz check failed
}

func ExampleChecker_SetReady() {
	hc, err := health.New(health.Options{System: health.SystemOptions{Disable: true}})
	if err != nil {
		panic(err)
	}
	defer hc.Close()
	hc.SetReady(false, "filling the cache")
	show(hc.Handler(), httptest.NewRequest("GET", "/readyz", nil))
	show(hc.Handler(), httptest.NewRequest("GET", "/livez", nil))
	hc.SetReady(true, "")
	show(hc.Handler(), httptest.NewRequest("GET", "/readyz", nil))
	// Output:
	// GET /readyz: 503 readyz check failed
	// GET /livez: 200 ok
	// GET /readyz: 200 ok
}

// HAProxy asks for "/" unless it is told otherwise.
func ExampleChecker_GroupHandler() {
	hc, err := health.New(health.Options{System: health.SystemOptions{Disable: true}})
	if err != nil {
		panic(err)
	}
	defer hc.Close()
	ready, err := hc.GroupHandler(health.Readiness)
	if err != nil {
		panic(err)
	}
	show(ready, httptest.NewRequest("OPTIONS", "/", nil))
	// Output: OPTIONS /: 200
}

// A service from its start to the signal that ends it.
func ExampleChecker_Drain() {
	hc, err := health.New(health.Options{
		System: health.SystemOptions{Disable: true},
		Drain:  health.DrainOptions{Wait: -1}, // behind a load balancer leave it as it is
	})
	if err != nil {
		panic(err)
	}
	root := http.NewServeMux()
	hc.Mount(root)
	root.Handle("/", hc.Middleware(http.NotFoundHandler()))
	srv := &http.Server{Handler: root, ReadHeaderTimeout: 5 * time.Second}
	hc.OnShutdown("database", func(context.Context) error { fmt.Println("database closed"); return nil })
	hc.OnShutdown("reporter", func(context.Context) error { fmt.Println("reports sent"); return nil })

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/readyz")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	fmt.Println(string(body))

	if self, err := os.FindProcess(os.Getpid()); err != nil || self.Signal(os.Interrupt) != nil {
		stop() // where a process cannot send itself the signal of the orchestrator
	}
	select {
	case <-ctx.Done():
		stop() // a second signal ends the process at once
		err = hc.Drain(ctx, srv)
	case err = <-served: // it could not serve
	}
	fmt.Println("drained:", err)
	// Output:
	// ok
	// reports sent
	// database closed
	// drained: <nil>
}
