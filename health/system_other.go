//go:build !linux && !darwin && !freebsd && !dragonfly

package health

func defaultSource() Source { return Source{} }
