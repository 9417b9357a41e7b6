package dbmon

import (
	"bytes"
	"database/sql/driver"
	"reflect"
	"slices"
	"time"
)

// copy keeps arguments of types that can be copied, and is false where there is
// another, or too much: nothing is read later that the application may have
// changed in the meantime.
func (p *kept) copy(a arguments) bool {
	size := len(a.text)
	for i := range a.len() {
		v, n, ok := copyOf(a.at(i))
		if size += n; !ok || size > maxPlanInput {
			return false
		}
		arg := driver.NamedValue{Ordinal: i + 1, Value: v}
		if a.named != nil {
			arg.Name = a.named[i].Name
		}
		p.args = append(p.args, arg)
	}
	return true
}

// copyOf copies a value, and says how many bytes it has. A value in an interface
// does not change, but for what it points to.
func copyOf(v any) (c any, n int, ok bool) {
	switch x := v.(type) {
	case nil, bool, int64, int, int32, int16, int8, uint64, uint, uint32, uint16, uint8, float64, float32, time.Time:
		return v, 8, true
	case string:
		return v, len(x), true
	case []byte:
		if len(x) > maxPlanInput {
			return nil, len(x), false
		}
		return bytes.Clone(x), len(x), true
	case []int64: // a list for ANY
		return copyOfList(x, 8)
	case []int32:
		return copyOfList(x, 4)
	case []int:
		return copyOfList(x, 8)
	case []string:
		if len(x) > maxPlanInput/16 {
			return nil, len(x), false
		}
		for _, s := range x {
			n += len(s)
		}
		return slices.Clone(x), n + 16*len(x), true
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.String {
		return v, rv.Len(), true
	}
	return v, 8, flat(reflect.TypeOf(v))
}

func copyOfList[T any](v []T, size int) (c any, n int, ok bool) {
	if len(v) > maxPlanInput/size {
		return nil, len(v) * size, false
	}
	return slices.Clone(v), len(v) * size, true
}

// flat is true for types of the application's own that are numbers, or short
// arrays of numbers, such as a UUID.
func flat(t reflect.Type) bool {
	k := t.Kind()
	if k == reflect.Array {
		return t.Size() <= 64 && flat(t.Elem())
	}
	return k >= reflect.Bool && k <= reflect.Float64 && k != reflect.Uintptr
}
