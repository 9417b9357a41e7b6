package sqlstore

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// instant reads a time, always as UTC: SQLite has microseconds since 1970,
// PostgreSQL the local time of this process.
type instant struct{ t *time.Time }

func (i instant) Scan(src any) error {
	switch v := src.(type) {
	case int64:
		*i.t = time.UnixMicro(v).UTC()
	case time.Time:
		*i.t = v.UTC()
	default:
		return fmt.Errorf("sqlstore: a time is stored as %T", src)
	}
	return nil
}

// optionalInstant reads and writes a time that may be absent.
type optionalInstant struct{ t **time.Time }

func (i optionalInstant) Scan(src any) error {
	if *i.t = nil; src == nil {
		return nil
	}
	*i.t = new(time.Time)
	return instant{*i.t}.Scan(src)
}

func (i optionalInstant) Value() (driver.Value, error) {
	if *i.t == nil {
		return nil, nil
	}
	return **i.t, nil
}
