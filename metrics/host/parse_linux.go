package host

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

var (
	errNoNumber = errors.New("not a number from 0 to 18446744073709551615")
	errNoQuota  = errors.New("not a quota and a period above 0")
	errNoTotal  = errors.New("a line of pressure without its total")
)

// parseUint reads a file that is one number.
func parseUint(b []byte) (uint64, error) {
	v, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return 0, errNoNumber
	}
	return v, nil
}

// unlimitedV1 is below what version 1 shows for "no limit", which is the
// largest int64 rounded down to a page, and above any memory there is.
const unlimitedV1 = 1 << 62

// parseLimit reads a limit, which is a number or "max". False means that there
// is no limit.
func parseLimit(b []byte) (uint64, bool, error) {
	if string(bytes.TrimSpace(b)) == "max" {
		return 0, false, nil
	}
	v, err := parseUint(b)
	if err != nil || v >= unlimitedV1 {
		return 0, false, err
	}
	return v, true, nil
}

// parseCPUMax reads cpu.max of version 2, "$MAX $PERIOD" in microseconds, as a
// number of processors. False means that there is no limit.
func parseCPUMax(b []byte) (float64, bool, error) {
	quota, period, _ := bytes.Cut(bytes.TrimSpace(b), []byte(" "))
	us, err := parseUint(period)
	if err != nil || us == 0 {
		return 0, false, errNoQuota
	}
	if string(quota) == "max" {
		return 0, false, nil
	}
	return cores(quota, us)
}

// parseCFSQuota reads cpu.cfs_quota_us and cpu.cfs_period_us of version 1,
// where a quota of -1 is none.
func parseCFSQuota(quota, period []byte) (float64, bool, error) {
	if string(bytes.TrimSpace(quota)) == "-1" {
		return 0, false, nil
	}
	us, err := parseUint(period)
	if err != nil || us == 0 {
		return 0, false, errNoQuota
	}
	return cores(quota, us)
}

func cores(quota []byte, period uint64) (float64, bool, error) {
	us, err := parseUint(quota)
	if err != nil || us == 0 {
		return 0, false, errNoQuota
	}
	return float64(us) / float64(period), true, nil
}

// lookup finds a key in a flat keyed file: "key value" lines. False means that
// the key is not there, as on an older kernel.
func lookup(b []byte, key string) (uint64, bool, error) {
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if string(name) != key {
			continue
		}
		v, err := parseUint(value)
		if err != nil {
			return 0, false, fmt.Errorf("%s: %w", key, err)
		}
		return v, true, nil
	}
	return 0, false, nil
}

// lookupAll finds several keys; false means that at least one is not there.
func lookupAll(b []byte, keys ...string) ([]uint64, bool, error) {
	values := make([]uint64, len(keys))
	for i, key := range keys {
		v, ok, err := lookup(b, key)
		if err != nil || !ok {
			return nil, false, err
		}
		values[i] = v
	}
	return values, true, nil
}

// stall is one line of a pressure file.
type stall struct {
	kind    string // "some" or "full"
	seconds float64
}

// parsePressure reads pressure stall information. Kinds of later kernels are
// passed over.
func parsePressure(b []byte) ([]stall, error) {
	var stalls []stall
	for line := range bytes.Lines(b) {
		kind, rest, _ := bytes.Cut(line, []byte(" "))
		if string(kind) != "some" && string(kind) != "full" {
			continue
		}
		_, total, ok := bytes.Cut(rest, []byte("total="))
		us, err := parseUint(total)
		if !ok || err != nil || hasKind(stalls, string(kind)) {
			return nil, errNoTotal
		}
		stalls = append(stalls, stall{string(kind), micros(us)})
	}
	return stalls, nil
}

func hasKind(stalls []stall, kind string) bool {
	for _, s := range stalls {
		if s.kind == kind {
			return true
		}
	}
	return false
}

func micros(us uint64) float64 { return float64(us) / 1e6 }
func nanos(ns uint64) float64  { return float64(ns) / 1e9 }

// less is a - b, but never below 0: two files are not read at the same moment.
func less(a, b uint64) float64 {
	if b >= a {
		return 0
	}
	return float64(a - b)
}

// smallest is a limit while it is searched from the outermost level inwards.
// On a tie the outer level stays: it is shared with more, so it is felt first.
type smallest[T any] struct {
	limit float64
	level T
}

func unlimited[T any]() smallest[T] { return smallest[T]{limit: math.Inf(1)} }

func (s *smallest[T]) offer(limit float64, level T) {
	if limit < s.limit {
		s.limit, s.level = limit, level
	}
}

func (s *smallest[T]) found() bool { return !math.IsInf(s.limit, 1) }
