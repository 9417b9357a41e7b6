package health

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnErrorMeansWhatItsWorstPartDoes(t *testing.T) {
	hard, soft := errors.New("hard"), Degraded(errors.New("soft"))
	tests := []struct {
		name   string
		err    error
		level  level
		reason string
	}{
		{"none", nil, healthy, ""},
		{"a plain one", hard, unhealthy, ReasonOther},
		{"a lesser one", soft, degraded, ReasonOther},
		{"a lesser one within another", fmt.Errorf("while looking: %w", soft), degraded, ReasonOther},
		{"a reason outside", WithReason(soft, "mine"), degraded, "mine"},
		{"a reason inside", Degraded(WithReason(hard, "mine")), degraded, "mine"},
		{"the outer of two reasons", WithReason(WithReason(hard, "inner"), "outer"), unhealthy, "outer"},
		{"a lesser one joined with a plain one", errors.Join(soft, hard), unhealthy, ReasonOther},
		{"a plain one joined with a lesser one", errors.Join(hard, soft), unhealthy, ReasonOther},
		{"two lesser ones", errors.Join(soft, soft), degraded, ReasonOther},
		{"all of several made lesser", Degraded(errors.Join(soft, hard)), degraded, ReasonOther},
		{"a join of nothing", joined{}, unhealthy, ReasonOther},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := judge(tt.err, nil)
			require.Equal(t, tt.level, o.level)
			require.Equal(t, tt.reason, o.reason)
		})
	}
}

type joined struct{}

func (joined) Error() string   { return "nothing" }
func (joined) Unwrap() []error { return []error{nil} }
