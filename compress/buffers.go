package compress

import "sync"

// bufferSizes are the capacities that are kept: what most bodies need, and not so
// many that the pools hold more than is in use. Larger buffers are left to the
// garbage collector, as one large body would otherwise stay in memory.
var bufferSizes = [...]int{4 << 10, 16 << 10, 64 << 10, 256 << 10}

// largestBuffer is also the longest body whose encoder is kept.
const largestBuffer = 256 << 10

var bufferPools [len(bufferSizes)]sync.Pool

// buffer is room for bytes of one response.
type buffer struct{ b []byte }

// takeBuffer returns an empty buffer for n bytes.
func takeBuffer(n int) *buffer {
	class := 0
	for class < len(bufferSizes) && n > bufferSizes[class] {
		class++
	}
	if class == len(bufferSizes) {
		return &buffer{make([]byte, 0, n)}
	}
	if b, ok := bufferPools[class].Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, 0, bufferSizes[class])}
}

// free gives b back. Nobody may use it any more.
func (b *buffer) free() {
	if cap(b.b) > largestBuffer {
		return
	}
	for class := len(bufferSizes) - 1; class >= 0; class-- {
		if cap(b.b) >= bufferSizes[class] {
			b.b = b.b[:0]
			bufferPools[class].Put(b)
			return
		}
	}
}
