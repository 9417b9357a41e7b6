package secheaders

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// claims are what README.md says of a subject.
type claims struct {
	early       bool // the handler finds the headers set
	dataNonce   bool // JSON gets a nonce where documents do
	notModified bool // a 304 replaces the nonce of the stored page
	shared      bool // a page with its nonce in it may be stored for others
}

var claimed = map[string]claims{
	sluiceName:   {},
	stackedName:  {},
	unrolledName: {true, true, true, true},
	byHandName:   {true, true, true, true},
}

const policyName = "Content-Security-Policy"

var nonceSource = regexp.MustCompile(`'nonce-([A-Za-z0-9+/_-]{22})'`)

// markNonce returns a policy with the mark in the place of its one nonce.
func markNonce(t *testing.T, policy string) (marked, nonce string) {
	t.Helper()
	for _, found := range nonceSource.FindAllStringSubmatch(policy, -1) {
		require.Contains(t, []string{"", found[1]}, nonce, "all nonces of a policy are one")
		nonce = found[1]
	}
	return nonceSource.ReplaceAllLiteralString(policy, nonceMark), nonce
}

func ask(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://shop.example.com"+target, nil))
	return w
}

// each opens a new instance of each subject.
func each(t *testing.T, f func(t *testing.T, s subject, l layers, c claims)) {
	require.Len(t, claimed, len(subjects))
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			c, ok := claimed[s.name]
			require.True(t, ok)
			l, err := s.open()
			require.NoError(t, err)
			f(t, s, l, c)
		})
	}
}

func TestAllSubjectsAnswerTheSameNineHeaders(t *testing.T) {
	require.Len(t, fields, 8, "and the policy")
	alone := served(app(none()))
	each(t, func(t *testing.T, s subject, l layers, c claims) {
		policies := map[string]string{constantPage: constantPolicy, noncedPage: noncedPolicy, noncedJSON: dataPolicy}
		if c.dataNonce {
			policies[noncedJSON] = noncedPolicy
		}
		for _, p := range programs {
			want := ask(alone, p.target).Result().Header
			for _, f := range fields {
				want[f.name] = f.value
			}
			want.Set(policyName, policies[p.name])
			w := ask(s.in(app(l)), p.target)
			got := w.Result().Header
			marked, nonce := markNonce(t, got.Get(policyName))
			got.Set(policyName, marked)
			require.Equal(t, want, got, p.name)
			if p.name == noncedPage {
				require.Equal(t, 2, strings.Count(w.Body.String(), ` nonce="`+nonce+`">`), w.Body.String())
			}
		}
	})
}

func TestEveryAnswerHasANonceOfItsOwn(t *testing.T) {
	each(t, func(t *testing.T, s subject, l layers, _ claims) {
		h, seen := s.in(app(l)), map[string]bool{}
		for range 50 {
			_, nonce := markNonce(t, ask(h, "/nonced").Result().Header.Get(policyName))
			seen[nonce] = true
		}
		require.Len(t, seen, 50)
		require.NotContains(t, seen, "")
	})
}

func TestOnlySluiceWaitsForTheHandler(t *testing.T) {
	each(t, func(t *testing.T, s subject, l layers, c claims) {
		early := 0
		looking := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			early = len(w.Header())
			page(w, r)
		})
		w := ask(s.in(l.constant(looking)), "/")
		require.Equal(t, constantPolicy, w.Result().Header.Get(policyName))
		require.Equal(t, c.early, early == 1+len(fields))
	})
}

func TestOnlySluiceLeavesTheNonceOfAStoredPageAlone(t *testing.T) {
	each(t, func(t *testing.T, s subject, l layers, c claims) {
		unchanged := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
		_, nonce := markNonce(t, ask(s.in(l.nonced(unchanged)), "/").Result().Header.Get(policyName))
		require.Equal(t, c.notModified, nonce != "")
	})
}

func TestOnlySluiceKeepsPagesWithTheirNonceOutOfSharedCaches(t *testing.T) {
	each(t, func(t *testing.T, s subject, l layers, c claims) {
		cached := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nonce := l.nonce(r.Context())
			w.Header().Set("Cache-Control", "public, max-age=60")
			_, _ = w.Write([]byte(nonce))
		})
		require.Equal(t, !c.shared, strings.Contains(ask(s.in(l.nonced(cached)), "/").Result().Header.Get("Cache-Control"), "private"))
	})
}

// README.md says that a policy with a nonce is a format for one peer.
func TestAPerCentSignInAPolicyWithANonce(t *testing.T) {
	const source = "https://img.example/a%20b/"
	text := "script-src " + nonceMark + "; img-src " + source
	asked := func(m middleware) string {
		marked, _ := markNonce(t, ask(m(http.HandlerFunc(page)), "/").Result().Header.Get(policyName))
		return marked
	}
	ours, err := sluiceWith(text, dataPolicy)
	require.NoError(t, err)
	require.Equal(t, text, asked(ours))
	require.Equal(t, "script-src $NONCE; img-src https://img.example/a%!b(MISSING)/", asked(unrolledWith(text)))
}

// What an answer adds where the map has its room: none without a nonce, and three with
// one, beyond the recorder.
func TestAllocationsOfEachAnswer(t *testing.T) {
	suite, err := Suite()
	require.NoError(t, err)
	for _, c := range suite.Cases {
		t.Run(c.Name, func(t *testing.T) {
			within := float64(constantAllocs)
			if strings.HasPrefix(c.Name, noncedPage) {
				within = noncedAllocs
			}
			if c.NewHeader {
				within += mapAllocs
			}
			alone := allocs(t, c, suite.Bare[0].Handler)
			require.LessOrEqual(t, allocs(t, c, suite.Subjects[0].Handler)-alone, within+recorderAllocs)
			require.LessOrEqual(t, allocs(t, c, suite.Subjects[1].Handler)-allocs(t, c, suite.Bare[1].Handler), within)
		})
	}
	require.EqualValues(t, recorderAllocs, allocs(t, suite.Cases[0], suite.Bare[1].Handler)-allocs(t, suite.Cases[0], suite.Bare[0].Handler))
}

// mapAllocs are those of the header's map when it grows.
const mapAllocs = 3

// A map with ten fields has grown once, whoever put them there.
func TestTheHeaderThatGrowsIsThreeAllocations(t *testing.T) {
	suite, err := Suite()
	require.NoError(t, err)
	byHand := suite.Subjects[len(suite.Subjects)-1]
	require.Equal(t, byHandName, byHand.Name)
	added := func(c harness.Case) float64 {
		return allocs(t, c, byHand.Handler) - allocs(t, c, suite.Bare[0].Handler)
	}
	fresh, room := suite.Cases[0], suite.Cases[len(programs)]
	require.Equal(t, fresh.Name+kept, room.Name)
	require.Zero(t, added(room))
	require.EqualValues(t, mapAllocs, added(fresh))
}

// allocs is the mean of many answers. The first ones are for what is made once.
func allocs(t *testing.T, c harness.Case, h http.Handler) float64 {
	t.Helper()
	client, err := harness.NewClient(c)
	require.NoError(t, err)
	defer client.Close()
	for range 20 {
		client.Do(h)
	}
	return testing.AllocsPerRun(200, func() { client.Do(h) })
}
