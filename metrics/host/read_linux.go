package host

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// maxFile is far above any file read here. The largest, memory.stat, has about
// 2 KB.
const maxFile = 64 << 10

var errTooLong = errors.New("the file is longer than 64 KB")

// read returns the content of a file until the next call. It makes the system
// calls itself: the files of the kernel can be polled, so that os.File would
// register each with the poller, and these need one read in most cases.
func (s *system) read(path string) ([]byte, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if s.buf == nil {
		s.buf = make([]byte, 4<<10)
	}
	for n := 0; ; {
		if n == len(s.buf) {
			if n >= maxFile {
				return nil, &fs.PathError{Op: "read", Path: path, Err: errTooLong}
			}
			s.buf = append(s.buf, make([]byte, n)...)
		}
		k, err := again(func() (int, error) { return unix.Read(fd, s.buf[n:]) })
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		if k == 0 {
			return s.buf[:n], nil
		}
		n += k
	}
}

func again(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// isAbsent tells what this system does not have from what is broken. ENODEV is
// the answer of a cgroup that was removed after its file was opened, EOPNOTSUPP
// that of a kernel started without pressure stall information.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EOPNOTSUPP)
}

// readUint reads a file that is one number; false means that it is absent.
func (s *system) readUint(path string) (uint64, bool, error) {
	b, err := s.read(path)
	if err != nil {
		return 0, false, unlessAbsent(err)
	}
	v, err := parseUint(b)
	return v, err == nil, in(path, err)
}

// readLimit reads a limit; false means that there is none.
func (s *system) readLimit(path string) (uint64, bool, error) {
	b, err := s.read(path)
	if err != nil {
		return 0, false, unlessAbsent(err)
	}
	v, ok, err := parseLimit(b)
	return v, ok, in(path, err)
}

// readKey reads one key of a flat keyed file; false means that it is absent.
func (s *system) readKey(path, key string) (uint64, bool, error) {
	b, err := s.read(path)
	if err != nil {
		return 0, false, unlessAbsent(err)
	}
	v, ok, err := lookup(b, key)
	return v, ok, in(path, err)
}

func unlessAbsent(err error) error {
	if isAbsent(err) {
		return nil
	}
	return err
}

func in(path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "parse", Path: path, Err: err}
}
