package metrics_test

import (
	"database/sql"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/metrics"
)

// bare is a Registerer that is no Gatherer.
type bare struct{ prometheus.Registerer }

func TestFaultsOfOptionsAreToldAtOnceByField(t *testing.T) {
	_, err := metrics.New(metrics.Options{
		Registerer:      bare{prometheus.NewRegistry()},
		Namespace:       "my-app",
		Methods:         []string{"GET", "GET", "", "_OTHER", "\xff"},
		MaxRoutes:       -1,
		MaxSeries:       -1,
		DurationBuckets: []float64{1, 1},
		SizeBuckets:     []float64{-1},
		Scrape:          metrics.ScrapeOptions{AllowFrom: []netip.Prefix{{}}, Token: "short", MaxConcurrent: -1, Timeout: -1},
	})
	require.Error(t, err)
	var fields []string
	line := regexp.MustCompile(`^metrics: ([A-Za-z.]+)(?:\[\d+\])?: [^A-Z ].+[^.]$`)
	for _, l := range strings.Split(err.Error(), "\n") {
		part := line.FindStringSubmatch(l)
		require.NotNil(t, part, l)
		fields = append(fields, part[1])
	}
	slices.Sort(fields)
	require.Equal(t, []string{"DurationBuckets", "Gatherer", "MaxRoutes", "MaxSeries", "Methods", "Methods", "Methods", "Methods",
		"Namespace", "Scrape.AllowFrom", "Scrape.MaxConcurrent", "Scrape.Timeout", "Scrape.Token", "SizeBuckets"}, fields)
}

func TestOptionsThatCannotBe(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint("M", i)
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name, field string
		o           metrics.Options
	}{
		{"a Gatherer alone", "Registerer", metrics.Options{Gatherer: prometheus.NewRegistry()}},
		{"a Registerer alone that is none", "Gatherer", metrics.Options{Registerer: bare{prometheus.NewRegistry()}}},
		{"a namespace that starts with a digit", "Namespace", metrics.Options{Namespace: "1a"}},
		{"a namespace with a dot", "Namespace", metrics.Options{Namespace: "a.b"}},
		{"a namespace that is not UTF-8", "Namespace", metrics.Options{Namespace: "\xff"}},
		{"a namespace with a colon, which is for recording rules", "Namespace", metrics.Options{Namespace: "a:b"}},
		{"too many methods", "Methods", metrics.Options{Methods: many}},
		{"a method of 129 bytes", "Methods", metrics.Options{Methods: []string{strings.Repeat("M", 129)}}},
		{"a NaN as bound", "DurationBuckets", metrics.Options{DurationBuckets: []float64{nan}}},
		{"a NaN in the middle", "DurationBuckets", metrics.Options{DurationBuckets: []float64{1, nan, 3}}},
		{"an infinite bound", "SizeBuckets", metrics.Options{SizeBuckets: []float64{1, inf}}},
		{"a bound of zero", "SizeBuckets", metrics.Options{SizeBuckets: []float64{0, 1}}},
		{"bounds that fall", "DurationBuckets", metrics.Options{DurationBuckets: []float64{2, 1}}},
		{"no buckets of any kind for durations", "DurationBuckets", metrics.Options{DurationBuckets: []float64{}, DisableNativeHistograms: true}},
		{"no buckets of any kind for sizes", "SizeBuckets", metrics.Options{SizeBuckets: []float64{}, DisableNativeHistograms: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := metrics.New(tt.o)
			require.Nil(t, m)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			require.True(t, strings.HasPrefix(err.Error(), "metrics: "+tt.field+": "), err.Error())
		})
	}
}

func TestOptionsThatMayBe(t *testing.T) {
	for name, o := range map[string]metrics.Options{
		"none":                          {},
		"no methods":                    {Methods: []string{}},
		"no classic buckets":            {DurationBuckets: []float64{}, SizeBuckets: []float64{}},
		"no native ones":                {DisableNativeHistograms: true},
		"no classic ones and exemplars": {DurationBuckets: []float64{}, AllowExemplars: true},
		"the least":                     {MaxRoutes: 1, MaxSeries: 1},
		"a namespace":                   {Namespace: "my_app"},
		"a registry that looks closely": {Registerer: prometheus.NewPedanticRegistry()},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMetrics(t, o)
			recordAll(m, "x", time.Second, 1)
			h := m.Middleware(at("/x", answer))
			ask(h, "GET", "/x")
			ask(h, "GET", "/none")
			readingOf(t, m)
			require.Equal(t, 200, ask(m.Handler(), "GET", "/metrics").Code)
		})
	}
}

// The table of the package comment.
func TestDefaultsAreThoseThatAreDocumented(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	for i := range 600 {
		ask(m.Middleware(selfNamed), "GET", fmt.Sprint("/", i))
		m.ObserveQuery(t.Context(), fmt.Sprint("q", i), time.Second, nil)
	}
	r := readingOf(t, m)
	require.Len(t, r.values("http_requests_total", "route"), 500+1)
	require.Len(t, r.values("db_client_operation_duration_seconds", "operation"), 200+1)
	h := r.find("http_request_duration_seconds", "method", "GET", "route", "/1", "outcome", "success").GetHistogram()
	var bounds []float64
	for _, b := range h.GetBucket() {
		bounds = append(bounds, b.GetUpperBound())
	}
	require.Equal(t, []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}, bounds)
	bounds = nil
	for _, b := range r.find("http_request_size_bytes", "method", "GET", "route", "/1").GetHistogram().GetBucket() {
		bounds = append(bounds, b.GetUpperBound())
	}
	require.Equal(t, []float64{256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26}, bounds)
	require.EqualValues(t, 3, h.GetSchema(), "a factor of at most 1.1 is a schema of 3")
	for _, name := range []string{"go_goroutines", "process_start_time_seconds", "go_build_info"} {
		require.Contains(t, r, name)
	}
	require.Same(t, m.Registerer(), m.Gatherer())
	require.NotSame(t, prometheus.DefaultRegisterer, m.Registerer())
}

// The house: "every field comment ends with Default: ...".
func TestEachFieldOfAnOptionTellsItsDefault(t *testing.T) {
	fields := 0
	for _, file := range []string{"options.go", "scrape.go", "uploads.go", "ai.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !slices.Contains([]string{"Options", "ScrapeOptions", "Upload", "AICall"}, spec.Name.Name) {
				return true
			}
			for _, f := range spec.Type.(*ast.StructType).Fields.List {
				fields++
				comment := strings.TrimSpace(f.Doc.Text() + " " + f.Comment.Text())
				require.Regexp(t, `Default: [^\n]+\.(\s+\S[^\n]*)?$`, comment, "%s.%s", spec.Name, f.Names)
			}
			return false
		})
	}
	require.Greater(t, fields, 20)
}

func TestSlicesOfOptionsMayBeChangedAfterwards(t *testing.T) {
	o := metrics.Options{
		Methods:         []string{"GET", "PUT"},
		DurationBuckets: []float64{0.5, 2.5},
		SizeBuckets:     []float64{100, 200},
		Scrape:          metrics.ScrapeOptions{AllowFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	m := newMetrics(t, o)
	o.Methods[0], o.DurationBuckets[0], o.SizeBuckets[0] = "EVIL", 99, 99999
	o.Scrape.AllowFrom[0] = netip.MustParsePrefix("198.51.100.0/24")
	ask(m.Middleware(at("/x", answer)), "GET", "/x")
	require.Equal(t, []string{"GET /x 200"}, counted(t, m))
	r := readingOf(t, m)
	require.Equal(t, 0.5, r["http_request_duration_seconds"].GetMetric()[0].GetHistogram().GetBucket()[0].GetUpperBound())
	require.Equal(t, 100.0, r["http_response_size_bytes"].GetMetric()[0].GetHistogram().GetBucket()[0].GetUpperBound())
	require.Equal(t, 200, ask(m.Handler(), "GET", "/metrics").Code, "the peer is 192.0.2.1")
}

// Trap 23: "two instances on one registry must give a clear error".
func TestASecondInstanceOnARegistryIsOneClearError(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(t, metrics.Options{Registerer: reg})
	ask(m.Middleware(at("/x", answer)), "GET", "/x")
	before := keysOf(readingOf(t, m))

	second, err := metrics.New(metrics.Options{Registerer: reg})
	require.Nil(t, second)
	require.ErrorContains(t, err, "metrics: Registerer: ")
	require.ErrorContains(t, err, "second instance")
	require.ErrorContains(t, err, "Namespace")
	require.ErrorContains(t, err, "http_requests_total")
	require.NotContains(t, err.Error(), "\n")

	ask(m.Middleware(at("/x", answer)), "GET", "/x")
	require.Equal(t, []string{"GET /x 200", "GET /x 200"}, counted(t, m), "the first goes on")
	require.Equal(t, before, keysOf(readingOf(t, m)), "nothing is left of the second")

	named := newMetrics(t, metrics.Options{Registerer: reg, Namespace: "other"})
	ask(named.Middleware(at("/y", answer)), "GET", "/y")
	r := readingOf(t, m)
	require.Equal(t, []string{"/x"}, r.values("http_requests_total", "route"))
	require.Equal(t, []string{"/y"}, r.values("other_http_requests_total", "route"))
	newMetrics(t, metrics.Options{}) // a registry of its own
}

func keysOf(r reading) []string {
	var all []string
	for name := range r {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Trap 23: "panics if another package owns http_requests_total".
func TestANameThatAnotherPackageOwnsIsAClearErrorAndNothingStays(t *testing.T) {
	for name, foreign := range map[string]prometheus.Collector{
		"http_requests_total": prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Theirs."}, []string{"handler"}),
		"csp_reports_total": prometheus.NewCounterVec(prometheus.CounterOpts{ // of the last to be made
			Name: "csp_reports_total", Help: "Theirs."}, []string{"x"}),
		"sluice_scrape_gathers_total": prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_scrape_gathers_total", Help: "Theirs."}),
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			reg.MustRegister(foreign)
			mine := prometheus.NewCounter(prometheus.CounterOpts{Name: "mine_total", Help: "Mine."})
			reg.MustRegister(mine)
			_, err := metrics.New(metrics.Options{Registerer: reg})
			require.ErrorContains(t, err, "metrics: ")
			require.ErrorContains(t, err, name)
			require.NotContains(t, err.Error(), "\n")
			families, err := reg.Gather()
			require.NoError(t, err)
			for _, f := range families {
				require.Contains(t, []string{name, "mine_total"}, f.GetName())
			}
			require.True(t, reg.Unregister(foreign))
			require.True(t, reg.Unregister(mine))
		})
	}
}

// Trap 23: "AlreadyRegisteredError handled", for what a registry often has.
func TestARegistryMayHaveTheCollectorsOfTheRuntime(t *testing.T) {
	goes, process := collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	reg := prometheus.NewRegistry()
	reg.MustRegister(goes, process)
	m := newMetrics(t, metrics.Options{Registerer: reg})
	require.Contains(t, readingOf(t, m), "go_build_info")
	_, err := metrics.New(metrics.Options{Registerer: reg})
	require.Error(t, err)
	require.Contains(t, readingOf(t, m), "go_goroutines", "those that are not ours stay")
	without := newMetrics(t, metrics.Options{DisableRuntime: true})
	for name := range readingOf(t, without) {
		require.NotRegexp(t, "^(go|process)_", name)
	}
}

func TestAWrappedRegistererNeedsItsRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	for _, zone := range []string{"a", "b"} {
		m := newMetrics(t, metrics.Options{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"zone": zone}, reg), Gatherer: reg})
		ask(m.Middleware(at("/x", answer)), "GET", "/x")
		require.Equal(t, 1.0, readingOf(t, m).value("http_requests_total", "method", "GET", "route", "/x", "code", "200", "zone", zone))
		require.Contains(t, ask(m.Handler(), "GET", "/metrics").Body.String(), `zone="`+zone+`"`)
	}
	wrapped := prometheus.WrapRegistererWithPrefix("pre_", reg)
	prefixed := newMetrics(t, metrics.Options{Registerer: wrapped, Gatherer: reg})
	require.Contains(t, readingOf(t, prefixed), "pre_http_requests_in_flight")
	_, err := metrics.New(metrics.Options{Registerer: wrapped, Gatherer: reg})
	require.ErrorContains(t, err, "http_requests_total")
	newMetrics(t, metrics.Options{Registerer: wrapped, Gatherer: reg, Namespace: "other"})
	require.Contains(t, readingOf(t, prefixed), "pre_other_http_requests_in_flight")
}

// Trap 23: "own registry by default; never register at import".
func TestTheGlobalRegistryIsLeftAlone(t *testing.T) {
	newMetrics(t, metrics.Options{})
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.Regexp(t, "^(go|process|promhttp)_", f.GetName())
	}
}

func TestAnInstanceLogsNothingUntilSomethingIsWrong(t *testing.T) {
	logger, log := logged()
	m := newMetrics(t, metrics.Options{Logger: logger})
	recordAll(m, "x", time.Second, 1)
	ask(m.Middleware(at("/x", answer)), http.MethodGet, "/x")
	ask(m.Handler(), http.MethodGet, "/metrics")
	require.Empty(t, log.String())
}

func TestAPoolOfConnectionsIsMeasuredUnderItsName(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(7)
	m := newMetrics(t, metrics.Options{Namespace: "app"})
	require.NoError(t, m.RegisterDB("main", db))
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	r := readingOf(t, m)
	require.Equal(t, 7.0, r.value("go_sql_max_open_connections", "db_name", "main"))
	require.Equal(t, 1.0, r.value("go_sql_in_use_connections", "db_name", "main"))
	require.Equal(t, 0.0, r.value("go_sql_wait_count_total", "db_name", "main"))

	err = m.RegisterDB("main", db)
	require.ErrorContains(t, err, "metrics: RegisterDB: ")
	require.ErrorAs(t, err, new(prometheus.AlreadyRegisteredError))
	require.NoError(t, m.RegisterDB("replica", db))
	require.NoError(t, m.RegisterDB("\xff", db), "any name will do")
	require.Equal(t, []string{"main", "replica", "\uFFFD"}, readingOf(t, m).values("go_sql_open_connections", "db_name"))
	require.ErrorContains(t, m.RegisterDB("none", nil), "metrics: RegisterDB: ")
}

func TestRoutePatternIsAskedAfterTheHandlerWithItsRequest(t *testing.T) {
	var inside *http.Request
	m := newMetrics(t, metrics.Options{RoutePattern: func(r *http.Request) string {
		require.Same(t, inside, r)
		return "/of/" + r.Method
	}})
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = r }))
	ask(h, "GET", "/x")
	require.Equal(t, []string{"GET /of/GET 200"}, counted(t, m))
}

func TestARoutePatternThatPanicsHarmsNobody(t *testing.T) {
	logger, log := logged()
	m := newMetrics(t, metrics.Options{Logger: logger, RoutePattern: func(*http.Request) string { panic("broken") }})
	h := m.Middleware(at("/x", answer))
	for range 3 {
		require.Equal(t, "ok", ask(h, "GET", "/x").Body.String())
	}
	require.Equal(t, []string{"GET /x 200", "GET /x 200", "GET /x 200"}, counted(t, m))
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log)
}

// Trap 5: "validate before attaching; only sampled traces".
func TestOnlySampledTracesWithValidIDsBecomeExemplars(t *testing.T) {
	trace, span := strings.Repeat("0af7651916cd43dd", 2), "b7ad6b7169203331"
	for _, tt := range []struct {
		name, trace, span string
		sampled, want     bool
	}{
		{"valid", trace, span, true, true},
		{"not sampled", trace, span, false, false},
		{"none", "", "", true, false},
		{"upper case", strings.ToUpper(trace), span, true, false},
		{"all zero", strings.Repeat("0", 32), span, true, false},
		{"a span of zeros", trace, strings.Repeat("0", 16), true, false},
		{"too short", trace[:31], span, true, false},
		{"too long for a label", strings.Repeat("a", 129), span, true, false},
		{"not UTF-8", strings.Repeat("\xff", 32), span, true, false},
		{"a span that is not UTF-8", trace, strings.Repeat("\xff", 16), true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{AllowExemplars: true})
			ask(m.Middleware(at("/x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				metrics.SetTrace(r.Context(), tt.trace, tt.span, tt.sampled)
				m.ObserveQuery(r.Context(), "SELECT", time.Second, nil)
				m.ObserveRAG(r.Context(), "docs", time.Second, 1, nil)
			}))), "GET", "/x")
			r := readingOf(t, m)
			for _, name := range []string{"http_request_duration_seconds", "db_client_operation_duration_seconds", "rag_retrieval_duration_seconds"} {
				found := 0
				for _, s := range r[name].GetMetric() {
					for _, b := range s.GetHistogram().GetBucket() {
						if e := b.GetExemplar(); e != nil {
							found++
							require.Len(t, e.GetLabel(), 2)
						}
					}
				}
				require.Equal(t, tt.want, found == 1, "%s has %d", name, found)
			}
		})
	}
}
