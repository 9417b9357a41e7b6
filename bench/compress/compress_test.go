package compress

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// claims are what README.md says of a subject.
type claims struct {
	smallToo bool // bodies of 200 bytes are encoded, too
	late     int  // events that do not leave when they are flushed
	larger   bool // bodies are encoded that get larger by it
	vary     bool // of images tells caches of Accept-Encoding
}

var claimed = map[string]claims{
	"sluice":                          {},
	"sluice, zero Options":            {},
	gzhttpName:                        {larger: true, vary: true},
	compressionName:                   {late: 1, larger: true, vary: true},
	"go-chi/chi, middleware.Compress": {smallToo: true, larger: true},
}

func TestEachSubjectAnswersAsItsProgramSays(t *testing.T) {
	suite, err := Suite()
	require.NoError(t, err)
	require.Len(t, claimed, len(suite.Subjects))
	for _, s := range suite.Subjects {
		want, ok := claimed[s.Name]
		require.True(t, ok, s.Name)
		for i, c := range suite.Cases {
			if slices.Contains(s.Without, c.Name) {
				continue
			}
			t.Run(s.Name+", "+c.Name, func(t *testing.T) {
				alone, err := Ask(suite.Bare[0].Handler, c)
				require.NoError(t, err)
				got, err := Ask(s.Handler, c)
				require.NoError(t, err)
				require.Equal(t, alone.Status, got.Status)
				require.Equal(t, string(alone.Body), string(got.Body))
				if programs[i].coded || c.Name == small && want.smallToo {
					require.Equal(t, programs[i].accept, got.Coding)
					require.Less(t, got.Sent, alone.Sent)
				} else {
					require.Empty(t, got.Coding)
				}
				if c.Name == stream {
					require.Equal(t, want.late, got.Behind)
				}
			})
		}
	}
}

func TestOnlySluiceLeavesWhatDoesNotGetSmaller(t *testing.T) {
	random := make([]byte, 4000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	c := harness.Case{Name: "random", Method: "GET", Target: "/", Header: http.Header{"Accept-Encoding": {gzipped}}}
	for _, s := range subjects {
		m, err := s.open()
		require.NoError(t, err)
		got, err := Ask(m(whole("application/json", random)), c)
		require.NoError(t, err)
		require.Equal(t, random, got.Body)
		require.Equal(t, claimed[s.name].larger, got.Coding == gzipped, s.name)
		require.Equal(t, claimed[s.name].larger, got.Sent > len(random), s.name)
	}
}

func TestSomeSubjectsTellCachesOfCodingsThatImagesNeverHave(t *testing.T) {
	for _, s := range subjects {
		m, err := s.open()
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", gzipped)
		w := httptest.NewRecorder()
		m(whole("image/png", tickets(1000))).ServeHTTP(w, r)
		require.Equal(t, claimed[s.name].vary, w.Header().Get("Vary") != "", s.name)
	}
}

// Who is left out of a case does not offer its coding.
func TestASubjectThatIsLeftOutWouldDoNothing(t *testing.T) {
	suite, err := Suite()
	require.NoError(t, err)
	for _, s := range suite.Subjects {
		for _, c := range suite.Cases {
			if slices.Contains(s.Without, c.Name) {
				got, err := Ask(s.Handler, c)
				require.NoError(t, err)
				require.Empty(t, got.Coding, "%s, %s", s.Name, c.Name)
			}
		}
	}
}

func TestTheProgramsAreAsLongAsTheirNamesSay(t *testing.T) {
	for _, size := range sizes {
		require.Len(t, tickets(size.bytes), size.bytes)
	}
	seen := map[string]bool{}
	for _, e := range events() {
		require.Len(t, e, eventSize)
		seen[string(e)] = true
	}
	require.Len(t, seen, eventCount)
	w := httptest.NewRecorder()
	app().ServeHTTP(w, httptest.NewRequest("GET", target(slices.IndexFunc(programs, func(p program) bool { return p.name == stream })), nil))
	require.Equal(t, eventCount*eventSize, w.Body.Len())
}

// The bar of allocations, over those of the application.
func TestAllocationsOfEachAnswer(t *testing.T) {
	suite, err := Suite()
	require.NoError(t, err)
	for i, c := range suite.Cases {
		t.Run(c.Name, func(t *testing.T) {
			within := 1.0
			if programs[i].coded {
				within = 2
			}
			added := allocs(t, c, suite.Subjects[0]) - allocs(t, c, harness.Subject{Handler: suite.Bare[0].Handler})
			require.LessOrEqual(t, added, within)
		})
	}
}

// allocs is the mean of many answers. The first ones are for what is made once.
func allocs(t *testing.T, c harness.Case, s harness.Subject) float64 {
	t.Helper()
	client, err := harness.NewClient(c)
	require.NoError(t, err)
	defer client.Close()
	for range 20 {
		client.Do(s.Handler)
	}
	return testing.AllocsPerRun(200, func() { client.Do(s.Handler) })
}
