package host

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/cgroup"
)

// optional is a value that a system may not have.
type optional = cgroup.Optional

func (b *batch) gaugeIf(d *prometheus.Desc, v optional) {
	if v.OK {
		b.gauge(d, v.V)
	}
}

// read runs what reads one source and keeps its failure away from the others,
// a panic in a parser included.
func (b *batch) read(source string, f func() error) {
	b.faults.note(source, source, protect(f))
}

func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the parser panicked: %v", p)
		}
	}()
	return f()
}
