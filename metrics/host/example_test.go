//go:build linux || darwin

package host_test

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/metrics/host"
)

func Example() {
	c, err := host.New(host.Options{Paths: map[string]string{"uploads": os.TempDir()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range families {
		if f.GetName() == "host_filesystem_up" {
			m := f.GetMetric()[0]
			fmt.Println(f.GetName(), m.GetLabel()[0].GetValue(), m.GetGauge().GetValue())
		}
	}
	// Output: host_filesystem_up uploads 1
}
