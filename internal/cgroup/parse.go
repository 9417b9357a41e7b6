package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

var (
	errNoNumber  = errors.New("not a number from 0 to 18446744073709551615")
	errNoQuota   = errors.New("not a quota and a period above 0")
	errNoTotal   = errors.New("a line of pressure without its total")
	errNoAverage = errors.New("an average of pressure that is not from 0 to 100")
)

// ParseUint reads a file that is one number.
func ParseUint(b []byte) (uint64, error) {
	v, err := strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return 0, errNoNumber
	}
	return v, nil
}

// unlimitedV1 is below what version 1 shows for "no limit", which is the
// largest int64 rounded down to a page, and above any memory there is.
const unlimitedV1 = 1 << 62

// ParseLimit reads a limit, which is a number or "max". False means that there
// is no limit.
func ParseLimit(b []byte) (uint64, bool, error) {
	if string(bytes.TrimSpace(b)) == "max" {
		return 0, false, nil
	}
	v, err := ParseUint(b)
	if err != nil || v >= unlimitedV1 {
		return 0, false, err
	}
	return v, true, nil
}

// parseCPUMax reads cpu.max of version 2, "$MAX $PERIOD" in microseconds, as a
// number of processors. False means that there is no limit.
func parseCPUMax(b []byte) (float64, bool, error) {
	quota, period, _ := bytes.Cut(bytes.TrimSpace(b), []byte(" "))
	us, err := ParseUint(period)
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
	us, err := ParseUint(period)
	if err != nil || us == 0 {
		return 0, false, errNoQuota
	}
	return cores(quota, us)
}

func cores(quota []byte, period uint64) (float64, bool, error) {
	us, err := ParseUint(quota)
	if err != nil || us == 0 {
		return 0, false, errNoQuota
	}
	return float64(us) / float64(period), true, nil
}

// Lookup finds a key in a flat keyed file: "key value" lines. False means that
// the key is not there, as on an older kernel.
func Lookup(b []byte, key string) (uint64, bool, error) {
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		if string(name) != key {
			continue
		}
		v, err := ParseUint(value)
		if err != nil {
			return 0, false, fmt.Errorf("%s: %w", key, err)
		}
		return v, true, nil
	}
	return 0, false, nil
}

// Stall is one line of a pressure file (accounting/psi).
type Stall struct {
	Kind    string   // "some" or "full"
	Avg10   Optional // the share of the last 10 s, as a percentage
	Seconds float64  // since the start
}

// ParsePressure reads pressure stall information. Kinds of later kernels are
// passed over.
func ParsePressure(b []byte) ([]Stall, error) {
	var stalls []Stall
	for line := range bytes.Lines(b) {
		kind, rest, _ := bytes.Cut(line, []byte(" "))
		if string(kind) != "some" && string(kind) != "full" {
			continue
		}
		_, total, ok := bytes.Cut(rest, []byte("total="))
		us, err := ParseUint(total)
		twice := slices.ContainsFunc(stalls, func(s Stall) bool { return s.Kind == string(kind) })
		if !ok || err != nil || twice {
			return nil, errNoTotal
		}
		avg10, err := parseAvg10(rest)
		if err != nil {
			return nil, err
		}
		stalls = append(stalls, Stall{string(kind), avg10, micros(us)})
	}
	return stalls, nil
}

func parseAvg10(fields []byte) (Optional, error) {
	_, text, ok := bytes.Cut(fields, []byte("avg10="))
	if !ok {
		return Optional{}, nil
	}
	text, _, _ = bytes.Cut(text, []byte(" "))
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v >= 0 && v <= 100) { // NaN is neither
		return Optional{}, errNoAverage
	}
	return Optional{v, true}, nil
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
