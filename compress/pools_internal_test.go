package compress

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"
)

// Trap d.26: what is given back holds on to no response.
func TestReleasedEncodersForgetTheResponse(t *testing.T) {
	for _, c := range codecCases() {
		for _, ended := range []bool{true, false} {
			e, response := useOnce(t, c.codec, ended)
			runtime.GC()
			require.Nil(t, response.Value(), c.name)
			runtime.KeepAlive(e)
		}
	}
}

//go:noinline
func useOnce(t *testing.T, c codec, ended bool) (encoder, weak.Pointer[bytes.Buffer]) {
	e, err := c.stream()
	require.NoError(t, err)
	response := new(bytes.Buffer)
	require.NoError(t, e.begin(response, 10))
	_, err = e.Write(ticketJSON(1000))
	require.NoError(t, err)
	require.NoError(t, e.Flush())
	if ended {
		require.NoError(t, e.Close())
	}
	c.release(e)
	return e, weak.Make(response)
}

// Trap d.26: a long body would leave a large encoder in the pool.
func TestBrotliEncodersOfLongBodiesAreNotKept(t *testing.T) {
	c := newBrotli(4, 128<<10).(*brotliCodec)
	_, err := c.whole(nil, ticketJSON(largestBuffer+1), 0)
	require.NoError(t, err)
	require.Nil(t, c.long.pool.Get())
}

// The library's goroutines for the highest qualities would outlive the body.
func TestSlowBrotliEncodersAreNotKept(t *testing.T) {
	c := newBrotli(11, 128<<10).(*brotliCodec)
	body := ticketJSON(30_000)
	out, err := c.whole(nil, body, 7)
	require.NoError(t, err)
	got, err := decode(brotlied, out, 0)
	require.NoError(t, err)
	require.Equal(t, body, got)
	require.Nil(t, c.short.pool.Get())
	require.Less(t, c.streams.quality, slowBrotli)
}

// Encoders are used by many responses at the same time, each body is its own.
func TestManyBodiesAtTheSameTime(t *testing.T) {
	for _, c := range []codecCase{
		{"gzip", newGzip(6), gzipped, 0, 0},
		{"brotli", newBrotli(0, 128<<10), brotlied, 0, 0},
		{"zstd", newZstd(0, 128<<10), zstded, 0, 128 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					for j := range 20 {
						manyBodies(t, c, ticketJSON(100+1000*i+j), j%2 == 0)
					}
				})
			}
			all.Wait()
		})
	}
}

func manyBodies(t *testing.T, c codecCase, body []byte, whole bool) {
	var encoded []byte
	if whole {
		out, err := c.codec.whole(nil, body, padding(50))
		if err != nil {
			t.Error(err)
		}
		encoded = out
	} else {
		encoded = streamed(t, c.codec, body)
	}
	got, err := decode(c.coding, encoded, c.window)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%s: %d bytes came back as %d, %v", c.name, len(body), len(got), err)
	}
}

func streamed(t *testing.T, c codec, body []byte) []byte {
	var out bytes.Buffer
	e, err := c.stream()
	if err == nil {
		err = e.begin(&out, padding(50))
	}
	for at := 0; at < len(body) && err == nil; at += 700 {
		if _, err = e.Write(body[at:min(at+700, len(body))]); err == nil {
			err = e.Flush()
		}
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Error(err)
	}
	c.release(e)
	return out.Bytes()
}

func TestBuffersHaveRoomAndNoContent(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 65536, 65537, largestBuffer, largestBuffer + 1, 3 << 20} {
		for range 3 {
			b := takeBuffer(n)
			require.Empty(t, b.b)
			require.GreaterOrEqual(t, cap(b.b), n)
			b.b = append(b.b, bytes.Repeat([]byte{'s'}, n)...)
			b.free()
		}
	}
}

func TestBuffersInUseAreApart(t *testing.T) {
	var taken []*buffer
	for i := range 200 {
		b := takeBuffer(100 * i)
		b.b = fmt.Appendf(b.b, "buffer %d", i)
		if i%3 == 0 {
			b.free()
			continue
		}
		taken = append(taken, b)
	}
	for i, b := range taken {
		require.Equal(t, fmt.Sprintf("buffer %d", i/2*3+i%2+1), string(b.b))
	}
}

// Trap d.26: oversized buffers are dropped, and ones that grew or shrank are not
// taken for what they were.
func TestBuffersArePooledByWhatTheyAre(t *testing.T) {
	for _, capacity := range []int{0, 100, 4096, 5000, 20_000, 70_000, largestBuffer, largestBuffer + 1, 5 << 20} {
		b := takeBuffer(0)
		b.b = make([]byte, 0, capacity)
		b.free()
		for i, size := range bufferSizes {
			next := takeBuffer(size)
			require.GreaterOrEqual(t, cap(next.b), size)
			require.LessOrEqual(t, cap(next.b), largestBuffer)
			if i+1 < len(bufferSizes) {
				require.Less(t, cap(next.b), bufferSizes[i+1])
			}
		}
	}
}
