package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var greeting = []byte("hello")

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(greeting) }

// allocating costs what is known: n objects of 1 KiB, which escape.
func allocating(n int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range n {
			_, _ = w.Write(make([]byte, 1024))
		}
	})
}

var quick = Options{Time: 1, Rounds: 3, Each: "500x"}

func suite(cases ...Case) Suite {
	return Suite{
		Package: "known",
		Cases:   cases,
		Bare:    []Bare{{"bare", allocating(2)}},
		Subjects: []Subject{
			{Name: "one object", Handler: allocating(3), Over: "bare"},
			{Name: "ten objects", Handler: allocating(12), Over: "bare"},
		},
	}
}

var (
	serial   = Case{Name: "serial", Method: "GET", Target: "/things/42"}
	parallel = Case{Name: "parallel", Method: "GET", Target: "/things/42", Clients: 16}
)

func TestAKnownCostIsMeasured(t *testing.T) {
	report, err := suite(serial, parallel).Measure(quick)
	require.NoError(t, err)
	require.Equal(t, 3, report.rounds)
	for i := range report.cases {
		for j, objects := range []float64{1, 10} {
			added := report.cases[i].rows[j].added
			require.Len(t, added, 3)
			require.InDelta(t, objects, spreadOf(added, inAllocs).median, 0.5)
			require.InDelta(t, objects*1024, spreadOf(added, inBytes).median, 200)
		}
		require.Greater(t, spreadOf(report.cases[i].rows[1].bare, inTime).median, 0.0)
	}
}

func TestNoTwoRequestsOfAClientOverlap(t *testing.T) {
	var inUse sync.Map
	var overlaps atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, busy := inUse.LoadOrStore(w, r); busy {
			overlaps.Add(1)
		}
		runtime.Gosched() // lets the other clients in
		inUse.Delete(w)
		hello(w, r)
	})
	s := Suite{Cases: []Case{parallel}, Bare: []Bare{{"bare", h}}}
	_, err := s.Measure(quick)
	require.NoError(t, err)
	require.Zero(t, overlaps.Load())
}

func TestTheTableHasEveryCaseAndEverySubject(t *testing.T) {
	s := suite(serial, parallel)
	report := newReport(s)
	report.rounds = 2
	for i := range report.cases {
		report.cases[i].rows = []row{
			{bare: []sample{{100, 0, 0}, {102, 0, 0}}, added: []sample{{50, 1, 1024}, {70, 1, 1024}}},
			{bare: []sample{{100, 0, 0}, {102, 0, 0}}, added: []sample{{100, 10, 10240}, {280, 10, 10240}}},
		}
	}
	var out strings.Builder
	require.NoError(t, report.Print(&out))
	_, tables, _ := strings.Cut(out.String(), "\n\n")
	tables, noise, _ := strings.Cut(tables, "\n\nnoise: ")
	require.Equal(t, "a bare handler's median was up to 1.01 times its fastest round\n", noise)
	fields := [][]string{}
	for line := range strings.Lines(tables) {
		fields = append(fields, strings.Fields(line))
	}
	table := func(name string) [][]string {
		return [][]string{
			{name},
			{"added", "ns", "(min-max)", "allocs", "bytes", "ratio", "(min-max)", "bare", "ns", "subject"},
			{"60", "(50-70)", "1", "1024", "1.0", "(1.0-1.0)", "101", "one", "object"},
			{"190", "(100-280)", "10", "10240", "3.0", "(2.0-4.0)", "101", "ten", "objects"},
		}
	}
	require.Equal(t, append(append(table("serial"), []string{}), table("parallel")...), fields)
}

func TestABusyMachineIsNamed(t *testing.T) {
	report := newReport(suite(serial))
	for i := range report.cases[0].rows {
		report.cases[0].rows[i] = row{bare: []sample{{ns: 100}, {ns: 130}, {ns: 140}}, added: []sample{{ns: 1}, {ns: 1}, {ns: 1}}}
	}
	var out strings.Builder
	require.NoError(t, report.Print(&out))
	require.Contains(t, out.String(), "up to 1.30 times its fastest round\nthe machine was busy")
}

func TestARatioToNothingIsNoise(t *testing.T) {
	require.Contains(t, ratio([]sample{{ns: 5}, {ns: 5}}, []sample{{ns: 1}, {ns: -1}}), "noise")
}

func TestASubjectIsLeftOutWhereItHasNoAnswer(t *testing.T) {
	s := suite(serial, parallel)
	s.Subjects[1].Without = []string{"serial"}
	report, err := s.Measure(quick)
	require.NoError(t, err)
	require.Empty(t, report.cases[0].rows[1].added)
	require.Len(t, report.cases[1].rows[1].added, 3)
	var out strings.Builder
	require.NoError(t, report.Print(&out))
	require.Regexp(t, `(?s)\nserial\n.*-\s+-\s+-\s+-\s+-\s+ten objects\n.*\nparallel\n`, out.String())
	s.Bars = []Bar{{Case: "serial", Against: "ten objects"}}
	_, err = s.Measure(quick)
	require.EqualError(t, err, `harness: a bar: ten objects has no answer to "serial"`)
}

func TestTheTimeOfTheProcessorsLeavesOutWaiting(t *testing.T) {
	if worked() == 0 {
		t.Skip("this system does not tell")
	}
	var waited time.Duration
	patient := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		<-time.After(20 * time.Millisecond)
		waited = time.Since(start)
		hello(w, r)
	})
	restore, err := benchTime("1x")
	require.NoError(t, err)
	defer restore()
	cost, err := Suite{CPU: true}.measure(serial, patient)
	require.NoError(t, err)
	require.Less(t, cost.ns, float64(waited.Nanoseconds()))
	cost, err = Suite{}.measure(serial, patient)
	require.NoError(t, err)
	require.GreaterOrEqual(t, cost.ns, float64(waited.Nanoseconds()))
}

func TestAnAnswerMayHaveNoBody(t *testing.T) {
	none := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	_, err := Suite{Cases: []Case{serial}, Bare: []Bare{{"bare", none}}}.Measure(quick)
	require.NoError(t, err)
}

func TestAClientKeepsTheHeaderOfItsAnswersOrMakesNewOnes(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		client, err := NewClient(Case{Method: "GET", Target: "/things", NewHeader: fresh})
		require.NoError(t, err)
		defer client.Close()
		for n := range 3 {
			client.Do(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				require.Equal(t, n > 0 && !fresh, w.Header().Get("X-Before") != "")
				w.Header().Set("X-Before", "yes")
			}))
		}
	}
}

func TestAFieldWithoutValuesIsLeftOut(t *testing.T) {
	client, err := NewClient(Case{Method: "GET", Target: "/things", Header: http.Header{"Accept-Encoding": nil}})
	require.NoError(t, err)
	defer client.Close()
	client.Do(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, there := r.Header["Accept-Encoding"]
		require.False(t, there)
		require.NotEmpty(t, r.Header["Accept"])
	}))
}

func TestASpreadIsTakenOfSortedValues(t *testing.T) {
	of := func(ns ...float64) spread {
		var samples []sample
		for _, n := range ns {
			samples = append(samples, sample{ns: n})
		}
		return spreadOf(samples, inTime)
	}
	require.Equal(t, spread{4, 4, 4}, of(4))
	require.Equal(t, spread{1, 2, 9}, of(9, 1, 2))
	require.Equal(t, spread{1, 2.5, 9}, of(9, 1, 2, 3))
}

func TestWhatCannotBeMeasuredIsAnError(t *testing.T) {
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	tests := []struct {
		name string
		s    Suite
		o    Options
		want string
	}{
		{"a subject that does not answer", Suite{Cases: []Case{serial}, Bare: []Bare{{"bare", http.HandlerFunc(hello)}}, Subjects: []Subject{{Name: "mute", Handler: silent, Over: "bare"}}}, quick, "serial: mute"},
		{"an application that does not answer", Suite{Cases: []Case{serial}, Bare: []Bare{{"mute", silent}}}, quick, "serial: mute"},
		{"an application that is not there", Suite{Cases: []Case{serial}, Subjects: []Subject{{Name: "lost", Handler: silent, Over: "bare"}}}, quick, `lost: no bare application is named "bare"`},
		{"a request that is none", suite(Case{Name: "odd", Method: "GET"}), quick, "odd: bare"},
		{"a time that is none", suite(serial), Options{Each: "soon"}, "Each"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.s.Measure(tt.o)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAClientCanSendItsBodyAgain(t *testing.T) {
	client, err := NewClient(Case{Method: "POST", Target: "/things", Body: []byte("some body"), Header: http.Header{"X-More": {"yes"}}})
	require.NoError(t, err)
	defer client.Close()
	for range 3 {
		client.Do(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, "some body", string(content))
			require.EqualValues(t, len(content), r.ContentLength)
			require.Equal(t, "yes", r.Header.Get("X-More"))
			require.Contains(t, r.Header.Get("User-Agent"), "Mozilla")
			require.Equal(t, "/things", r.RequestURI)
			_, _ = w.Write(content)
		}))
	}
	require.EqualValues(t, 3*len("some body"), client.Answered())
}

func TestTheRequestsContextIsLikeThatOfTheServer(t *testing.T) {
	client, err := NewClient(serial)
	require.NoError(t, err)
	ctx := client.req.Context()
	require.NotNil(t, ctx.Value(http.ServerContextKey))
	require.NotNil(t, ctx.Value(http.LocalAddrContextKey))
	require.NoError(t, ctx.Err())
	client.Close()
	require.Error(t, ctx.Err())
}

func TestTheWriterHasTheMethodsOfTheServersOwn(t *testing.T) {
	methods := func(v any) (names []string) {
		for m := range reflect.TypeOf(v).Methods() {
			names = append(names, m.Name)
		}
		return names
	}
	var servers []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { servers = methods(w) }))
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, servers, methods(&writer{}))
}
