package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/compress"
)

func TestCaddyAnswersAsThePeersDo(t *testing.T) {
	suite, err := compress.SuiteWith(name, open)
	require.NoError(t, err)
	caddy := suite.Subjects[len(suite.Subjects)-1]
	require.Equal(t, name, caddy.Name)
	for _, c := range suite.Cases {
		if slices.Contains(caddy.Without, c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			want, err := compress.Ask(suite.Subjects[0].Handler, c)
			require.NoError(t, err)
			got, err := compress.Ask(caddy.Handler, c)
			require.NoError(t, err)
			require.Equal(t, want.Status, got.Status)
			require.Equal(t, want.Coding, got.Coding)
			require.Equal(t, string(want.Body), string(got.Body))
			require.Zero(t, got.Behind)
		})
	}
}

func TestTheCommandPrintsTheTables(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run([]string{"-time", "1ns", "-rounds", "1", "-each", "2x"}, &out))
	suite, err := compress.SuiteWith(name, open)
	require.NoError(t, err)
	require.Equal(t, len(suite.Cases), strings.Count(out.String(), "  "+name+"\n"), out.String())
	require.Contains(t, out.String(), "what "+name+" adds")
}
