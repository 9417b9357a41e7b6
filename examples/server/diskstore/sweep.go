package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// Sweep removes the files that keep does not know, and those that never became
// complete, unless they are younger than an hour: bytes come before their row,
// so a young file may still get one. It goes on past what it cannot remove and
// reports it in the end.
func (s *Store) Sweep(ctx context.Context, keep func(key string) bool) error {
	if err := s.sweep(ctx, ".", keep); err != nil {
		return fmt.Errorf("diskstore: sweeping: %w", err)
	}
	return nil
}

// sweep touches only what Put could have made: an operator's file, or another
// file system's lost+found, is not ours.
func (s *Store) sweep(ctx context.Context, dir string, keep func(key string) bool) error {
	var errs []error
	err := fs.WalkDir(s.root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		key := d.Name()
		partial := name == path.Join(incoming, key)
		if !d.Type().IsRegular() || !keys.MatchString(key) || !partial && name != fileOf(key) {
			return nil
		}
		info, err := d.Info()
		if err == nil && time.Since(info.ModTime()) > abandoned && (partial || !keep(key)) {
			err = s.root.Remove(name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}
