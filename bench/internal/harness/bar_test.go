package harness

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABarSaysWhetherItHolds(t *testing.T) {
	for _, tt := range []struct {
		name       string
		own, other []sample
		want       string
	}{
		{"cheap enough", []sample{{10, 0, 0}, {12, 0.4, 0}, {14, 0, 0}}, []sample{{100, 9, 0}, {-100, 9, 0}, {110, 9, 0}},
			"bar: serial: 0.12 of what ten objects adds, at most 0.20; 0.00 allocs, at most 0: holds\n"},
		{"too slow", []sample{{30, 0, 0}, {10, 0, 0}, {40, 0, 0}}, []sample{{100, 9, 0}, {100, 9, 0}, {100, 9, 0}},
			"bar: serial: 0.30 of what ten objects adds, at most 0.20; 0.00 allocs, at most 0: does NOT hold\n"},
		{"an allocation too many", []sample{{10, 1, 0}}, []sample{{100, 9, 0}},
			"bar: serial: 0.10 of what ten objects adds, at most 0.20; 1.00 allocs, at most 0: does NOT hold\n"},
		{"nothing to compare with", []sample{{10, 0, 0}}, []sample{{-3, 9, 0}}, "bar: serial: noise\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := suite(serial)
			s.Bars = []Bar{{Case: "serial", Against: "ten objects", Share: 0.2}}
			report := newReport(s)
			report.rounds = len(tt.own)
			bare := make([]sample, len(tt.own))
			for i := range bare {
				bare[i] = sample{ns: 100}
			}
			report.cases[0].rows = []row{{bare: bare, added: tt.own}, {bare: bare, added: tt.other}}
			var out strings.Builder
			require.NoError(t, report.Print(&out))
			require.Contains(t, out.String(), "\n\n"+tt.want+"\nnoise: ")
		})
	}
}

func TestABarMayBeThatOfAnotherSubject(t *testing.T) {
	s := suite(serial)
	s.Bars = []Bar{{Case: "serial", Of: "ten objects", Against: "one object", Share: 0.2, Allocs: 9}}
	report := newReport(s)
	report.rounds = 1
	bare := []sample{{ns: 100}}
	report.cases[0].rows = []row{{bare: bare, added: []sample{{100, 1, 0}}}, {bare: bare, added: []sample{{10, 9, 0}}}}
	var out strings.Builder
	require.NoError(t, report.Print(&out))
	require.Contains(t, out.String(), "\n\nbar: serial: ten objects: 0.10 of what one object adds, at most 0.20; 9.00 allocs, at most 9: holds\n")
}

func TestABarAgainstNothingIsAnError(t *testing.T) {
	for _, b := range []Bar{{Case: "none", Against: "ten objects"}, {Case: "serial", Against: "nobody"}, {Case: "serial", Of: "nobody", Against: "ten objects"}} {
		s := suite(serial)
		s.Bars = []Bar{b}
		_, err := s.Measure(quick)
		require.ErrorContains(t, err, "harness: a bar: no ")
	}
}
