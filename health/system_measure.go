package health

import (
	"math"
	"time"
)

// kind is one of the measures.
type kind int

const (
	ofCPU kind = iota
	ofMemory
	ofDisk
	ofPressure // on input and output: facts of the disk check
	kinds
)

func (k kind) String() string { return [...]string{"cpu", "memory", "disk", "pressure"}[k] }

// measure is what is known of one part of the system.
type measure struct {
	at      time.Time // of the sample; zero if there was none
	percent float64   // in use
	worst   float64   // of percent and others that have the same threshold
	known   bool      // percent and worst are
	facts   []fact
	err     error // what went wrong since
}

type fact struct {
	key   string
	value any
}

// share is used as a percentage of all, to two places; false if that is no
// number. It may be above 100.
func share(used, all float64) (float64, bool) {
	p := math.Round(10000*used/all) / 100
	ok := used >= 0 && all > 0 && !math.IsInf(all, 1) && !math.IsInf(p, 1) // NaN is none of these
	if !ok {
		return 0, false
	}
	return p, true
}

// set makes a share the measure.
func (m *measure) set(used, all float64, most float64) {
	p, ok := share(used, all)
	if !ok {
		return
	}
	m.percent = min(p, most)
	m.worst, m.known = m.percent, true
	m.add("usage_percent", m.percent)
}

func (m *measure) add(key string, value any) { m.facts = append(m.facts, fact{key, value}) }

func (v sampled) cpuKnown() bool    { return isPositive(v.CPUCores) && isPositive(v.CPUSeconds) }
func (v sampled) memoryKnown() bool { return v.MemoryLimit > 0 && v.MemoryUsed > 0 }

func isPositive(v float64) bool { return v > 0 && !math.IsInf(v, 1) }

// cpuMeasure counts from the last sample that had the same limit. The first has
// none, and the share since the start of a machine says nothing about now.
func (s *system) cpuMeasure(v sampled) measure {
	var m measure
	if last := s.last; v.cpuKnown() {
		s.last = v
		if last.CPUOf == v.CPUOf && last.CPUCores == v.CPUCores {
			// A little more than all comes of times that are not read at one moment.
			m.set(v.CPUSeconds-last.CPUSeconds, v.CPUCores*v.at.Sub(last.at).Seconds(), 100)
			m.throttling(last, v)
		}
	}
	if isPositive(v.CPUCores) {
		m.add("limit_cores", v.CPUCores)
	}
	m.facts = append(m.facts, v.pressureFacts("cpu")...)
	return m
}

func (m *measure) throttling(last, v sampled) {
	if v.Periods < last.Periods || v.Throttled < last.Throttled {
		return
	}
	if p, ok := share(float64(v.Throttled-last.Throttled), float64(v.Periods-last.Periods)); ok {
		m.add("throttled_percent", min(p, 100))
	}
}

// memoryMeasure may be above 100 %: a limit can be lowered below what is in use.
func (v sampled) memoryMeasure() measure {
	var m measure
	if v.memoryKnown() {
		m.set(float64(v.MemoryUsed), float64(v.MemoryLimit), math.Inf(1))
		m.add("used_bytes", integer(v.MemoryUsed))
	}
	if v.MemoryLimit > 0 {
		m.add("limit_bytes", integer(v.MemoryLimit))
	}
	m.facts = append(m.facts, v.pressureFacts("memory")...)
	return m
}

func (v sampled) pressureFacts(resource string) []fact {
	var facts []fact
	for _, p := range v.Pressure {
		if p.Resource == resource && (p.Kind == "some" || p.Kind == "full") {
			facts = append(facts, fact{"pressure_" + p.Kind + "_avg10", p.Avg10})
		}
	}
	return facts
}

// percents are the space and the inodes in use, false where there is no number
// of them. Space that is reserved counts as neither used nor available, as for
// df.
func (v DiskSpace) percents() (space, inodes float64, hasSpace, hasInodes bool) {
	space, hasSpace = share(float64(v.Used), float64(v.Used)+float64(v.Avail))
	if v.InodesFree <= v.Inodes {
		inodes, hasInodes = share(float64(v.Inodes-v.InodesFree), float64(v.Inodes))
	}
	return space, inodes, hasSpace, hasInodes
}

func (v DiskSpace) measure() measure {
	var m measure
	_, inodes, _, hasInodes := v.percents()
	m.set(float64(v.Used), float64(v.Used)+float64(v.Avail), 100)
	if m.known {
		m.add("avail_bytes", integer(v.Avail))
	}
	if hasInodes {
		m.worst = max(m.worst, inodes)
		m.add("inodes_usage_percent", inodes)
	}
	return m
}

// integer keeps a number of bytes in the range that facts have.
func integer(v uint64) int64 { return int64(min(v, math.MaxInt64)) }
