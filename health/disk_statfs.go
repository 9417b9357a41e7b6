//go:build linux || darwin || freebsd || dragonfly

package health

import (
	"errors"
	"io/fs"
	"syscall"
)

func statfs(path string) (DiskSpace, error) {
	var st syscall.Statfs_t
	for {
		err := syscall.Statfs(path, &st)
		if err == nil {
			return spaceOf(&st), nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return DiskSpace{}, &fs.PathError{Op: "statfs", Path: path, Err: err}
		}
	}
}
