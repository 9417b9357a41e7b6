package secheaders

import (
	"errors"
	"fmt"
)

// faults are all that is wrong with options, each as "secheaders: Field: reason".
type faults struct{ errs []error }

func (f *faults) add(field, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("secheaders: "+field+": "+format, args...))
}

func (f *faults) tooLong(field string, size int) {
	f.add(field, "the headers take %d bytes; servers and proxies refuse more than %d", size, maxSize)
}

func (f *faults) err() error { return errors.Join(f.errs...) }
