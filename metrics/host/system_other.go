//go:build !linux && !darwin

package host

import (
	"errors"
	"fmt"
	"runtime"
)

func sources() []string { return nil }

func supported() error { return fmt.Errorf("host: %s: %w", runtime.GOOS, errors.ErrUnsupported) }

type system struct{}

func newSystem(environment) *system { return &system{} }

func (s *system) collect(*batch) {}

type cpuSet struct{}

func affinity() (cpuSet, error) { return cpuSet{}, errors.ErrUnsupported }

func statfs(string) (usage, error) { return usage{}, errors.ErrUnsupported }
