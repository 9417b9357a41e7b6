//go:build !linux && !darwin && !freebsd && !dragonfly

package health

func defaultSource() SystemSource { return SystemSource{} }
