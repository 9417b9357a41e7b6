package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

const (
	// maxFile is far above any file read here. The largest of a cgroup, memory.stat,
	// has about 2 KB; /proc/stat has 80 bytes for each processor and 2 or more for
	// each interrupt.
	maxFile = 256 << 10
	// maxMounts is for the mounts of a machine with tens of thousands of
	// containers.
	maxMounts = 16 << 20
)

// Reader reads files of the kernel. It is not safe for concurrent use.
type Reader struct {
	root   string
	buf    []byte  // of the last file
	mounts []mount // nil until they have been read
}

// NewReader returns a reader for the system below root, "" for this one.
func NewReader(root string) *Reader { return &Reader{root: root} }

// Path is where a file of the system is.
func (r *Reader) Path(p string) string { return filepath.Join(r.root, "/", p) }

// Read returns the content of a file until the next call.
func (r *Reader) Read(path string) ([]byte, error) { return r.read(path, maxFile) }

// read makes the system calls itself: the files of the kernel can be polled, so
// that os.File would register each with the poller, and these need one read in
// most cases.
func (r *Reader) read(path string, most int) ([]byte, error) {
	fd, err := again(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer syscall.Close(fd)
	if r.buf == nil {
		r.buf = make([]byte, 4<<10)
	}
	for n := 0; ; {
		if n == len(r.buf) {
			if n >= most {
				return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("the file is longer than %d KB", most>>10)}
			}
			r.buf = append(r.buf, make([]byte, n)...)
		}
		k, err := again(func() (int, error) { return syscall.Read(fd, r.buf[n:]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if k == 0 {
			return r.buf[:n], nil
		}
		n += k
	}
}

func again(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// IsAbsent tells what this system does not have from what is broken. ENODEV is
// the answer of a cgroup that was removed after its file was opened, EOPNOTSUPP
// that of a kernel started without pressure stall information.
func IsAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EOPNOTSUPP)
}

// UnlessAbsent is err, or nil if it says that something is absent.
func UnlessAbsent(err error) error {
	if IsAbsent(err) {
		return nil
	}
	return err
}

// In says which file could not be understood.
func In(path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "parse", Path: path, Err: err}
}

// Uint reads a file that is one number; false means that it is absent.
func (r *Reader) Uint(path string) (uint64, bool, error) {
	b, err := r.Read(path)
	if err != nil {
		return 0, false, UnlessAbsent(err)
	}
	v, err := ParseUint(b)
	return v, err == nil, In(path, err)
}

// Limit reads a limit; false means that there is none.
func (r *Reader) Limit(path string) (uint64, bool, error) {
	b, err := r.Read(path)
	if err != nil {
		return 0, false, UnlessAbsent(err)
	}
	v, ok, err := ParseLimit(b)
	return v, ok, In(path, err)
}

// Key reads one key of a flat keyed file; false means that it is absent.
func (r *Reader) Key(path, key string) (uint64, bool, error) {
	b, err := r.Read(path)
	if err != nil {
		return 0, false, UnlessAbsent(err)
	}
	v, ok, err := Lookup(b, key)
	return v, ok, In(path, err)
}

// Pressure reads a file of pressure stall information; none means that it is
// absent.
func (r *Reader) Pressure(path string) ([]Stall, error) {
	b, err := r.Read(path)
	if err != nil {
		return nil, UnlessAbsent(err)
	}
	stalls, err := ParsePressure(b)
	return stalls, In(path, err)
}
