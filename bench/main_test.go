package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneCommandPrintsTheTables(t *testing.T) {
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, run([]string{"-time", "1ns", "-rounds", "1", "-each", "20x", s.name}, &out))
			suite, err := s.open()
			require.NoError(t, err)
			tables, more, _ := strings.Cut(out.String(), "\nnoise: ")
			for _, subject := range suite.Subjects {
				require.Equal(t, len(suite.Cases), strings.Count(tables, "  "+subject.Name+"\n"), out.String())
			}
			require.Equal(t, s.more != nil, strings.Contains(more, "  subject\n"), out.String())
		})
	}
}

func TestAPackageThatIsNotComparedIsAnError(t *testing.T) {
	var out strings.Builder
	require.EqualError(t, run([]string{"metric"}, &out), `"metric" is none of compress, dbmon, health, metrics, secheaders`)
	require.ErrorIs(t, run([]string{"-h"}, &out), flag.ErrHelp)
	require.Empty(t, out.String())
}
