package host_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics/host"
)

func BenchmarkCollect(b *testing.B) {
	here, err := host.New(host.Options{})
	require.NoError(b, err)
	for _, bm := range []struct {
		name string
		c    *host.Collector
	}{
		{"this machine", here},
		{"container", in(b, fullTree())},
		{"six levels", in(b, levels(6))},
		{"128 processors", in(b, fullTree().With(tree{"/proc/stat": bigStat(128)}))},
	} {
		b.Run(bm.name, func(b *testing.B) {
			ch := make(chan prometheus.Metric, 256)
			b.ReportAllocs()
			for b.Loop() {
				bm.c.Collect(ch)
				for len(ch) > 0 {
					<-ch
				}
			}
		})
	}
}

func levels(n int) tree {
	path, t := "", machine()
	for i := range n {
		path += fmt.Sprintf("/level%d", i)
		t = t.With(groupV2(path, "100000 100000", "1073741824"))
	}
	return t.With(selfV2(path))
}

func bigStat(cpus int) string {
	var b strings.Builder
	b.WriteString("cpu  1000000 2000 300000 90000000 500 10 2000 5 100 0\n")
	for i := range cpus {
		fmt.Fprintf(&b, "cpu%d 10000 20 3000 900000 50 10 20 5 100 0\n", i)
	}
	return b.String() + "intr 77" + strings.Repeat(" 0", 2000) + "\nctxt 1\n"
}
