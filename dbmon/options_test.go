package dbmon_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/dbmon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheZeroOptionsAreGood(t *testing.T) {
	mon, err := dbmon.New(dbmon.Options{})
	require.NoError(t, err)
	require.NoError(t, mon.Close())
}

func TestAllFaultsOfOptionsAreNamedAtOnce(t *testing.T) {
	_, err := dbmon.New(dbmon.Options{
		Name:       "a\nb",
		Dialect:    99,
		LeakAfter:  time.Nanosecond,
		MaxQueries: -1,
	})
	require.Error(t, err)
	for _, fault := range []string{"dbmon: Name: ", "dbmon: Dialect: 99", "dbmon: LeakAfter: ", "dbmon: MaxQueries: "} {
		require.Contains(t, err.Error(), fault)
	}
	_, err = dbmon.New(dbmon.Options{Name: strings.Repeat("x", 65)})
	require.ErrorContains(t, err, "Name")
}
