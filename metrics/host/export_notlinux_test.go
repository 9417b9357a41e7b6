//go:build !linux

package host

func fakeCPUSet([]int) cpuSet { return cpuSet{} }
