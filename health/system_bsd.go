//go:build darwin || freebsd || dragonfly

package health

// defaultSource has no sample: what these systems tell about processors and
// memory needs more than files.
func defaultSource() SystemSource { return SystemSource{Disk: statfs} }
