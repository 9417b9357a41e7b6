package main

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOneCommandPrintsTheTables(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"-time", "1ns", "-rounds", "1", "-each", "20x", "metrics"}, &out))
	for _, s := range suites {
		suite, err := s.open()
		require.NoError(t, err)
		for _, subject := range suite.Subjects {
			require.Equal(t, len(suite.Cases), strings.Count(out.String(), "  "+subject.Name+"\n"), out.String())
		}
	}
}

func TestAPackageThatIsNotComparedIsAnError(t *testing.T) {
	var out strings.Builder
	require.EqualError(t, run([]string{"metric"}, &out), `"metric" is none of metrics`)
	require.ErrorIs(t, run([]string{"-h"}, &out), flag.ErrHelp)
	require.Empty(t, out.String())
}
