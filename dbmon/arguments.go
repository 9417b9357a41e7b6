package dbmon

import (
	"hash/maphash"
	"math"
	"reflect"
	"time"
)

// seed is of the hashes by which arguments are compared. They never leave the
// process.
var seed = maphash.MakeSeed()

func hashString(s string) uint64 { return maphash.String(seed, s) }

// mix takes x into h.
func mix(h, x uint64) uint64 {
	h = (h ^ x) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// hash is that of all that makes one call of a query different from another: the
// arguments, and the literals in its text. It is never 0.
func (a arguments) hash() uint64 {
	h := hashString(a.text)
	for i := range a.len() {
		h = mix(h, hashValue(a.at(i)))
	}
	return h | 1
}

// maxHashed is how much of a long argument is compared, and its length.
const maxHashed = 4 << 10

func hashValue(v any) uint64 {
	switch v := v.(type) {
	case nil:
		return 1
	case int64:
		return mix(2, uint64(v))
	case string:
		return mix(3, mix(uint64(len(v)), hashString(v[:min(len(v), maxHashed)])))
	case []byte:
		return mix(4, mix(uint64(len(v)), maphash.Bytes(seed, v[:min(len(v), maxHashed)])))
	case float64:
		return mix(5, math.Float64bits(v))
	case bool:
		if v {
			return 6
		}
		return 7
	case time.Time:
		return mix(8, uint64(v.UnixNano()))
	default:
		left := maxElements
		return hashAny(reflect.ValueOf(v), &left)
	}
}

// maxElements is how many elements of an argument are compared that only its
// driver knows.
const maxElements = 256

func hashAny(v reflect.Value, left *int) uint64 {
	if *left--; *left < 0 || !v.IsValid() {
		return 9
	}
	h := uint64(v.Kind())
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.String, reflect.Complex64, reflect.Complex128:
		return mix(h, hashScalar(v))
	case reflect.Pointer, reflect.Interface:
		return mix(h, hashAny(v.Elem(), left))
	case reflect.Slice, reflect.Array:
		h = mix(h, uint64(v.Len()))
		for i := 0; i < v.Len() && *left > 0; i++ {
			h = mix(h, hashAny(v.Index(i), left))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			h = mix(h, hashAny(v.Field(i), left))
		}
	case reflect.Map:
		h = mix(h, uint64(v.Len()))
	}
	return h
}

func hashScalar(v reflect.Value) uint64 {
	switch {
	case v.CanInt():
		return uint64(v.Int())
	case v.CanUint():
		return v.Uint()
	case v.CanFloat():
		return math.Float64bits(v.Float())
	case v.CanComplex():
		return mix(math.Float64bits(real(v.Complex())), math.Float64bits(imag(v.Complex())))
	case v.Kind() == reflect.String:
		return hashString(v.String())
	case v.Bool():
		return 1
	default:
		return 0
	}
}
