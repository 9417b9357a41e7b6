package compress

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// Trap d.29: some decoders, as Node's, end with the first frame, skippable or not.
func TestPaddedZstdIsOneFrame(t *testing.T) {
	for _, c := range codecCases() {
		if c.coding != zstded {
			continue
		}
		for _, pad := range []int{0, 1, 2, 3, maxPadding} {
			for _, size := range []int{1, 300, 150_000} {
				body := ticketJSON(size)
				out, err := c.codec.whole(nil, body, pad)
				require.NoError(t, err)
				requireOneFrame(t, out)

				e, err := c.codec.stream()
				require.NoError(t, err)
				var stream bytes.Buffer
				require.NoError(t, e.begin(&stream, pad))
				for piece := range slices.Chunk(body, 1+len(body)/3) {
					_, err := e.Write(piece)
					require.NoError(t, err)
					require.NoError(t, e.Flush())
				}
				require.NoError(t, e.Close())
				c.codec.release(e)
				requireOneFrame(t, stream.Bytes())
			}
		}
	}
}

func requireOneFrame(t *testing.T, encoded []byte) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(encoded))
	magic, err := readLittle(r, 4)
	require.NoError(t, err)
	require.EqualValues(t, frameMagic, magic)
	_, err = readFrame(r)
	require.NoError(t, err)
	_, err = r.Peek(1)
	require.True(t, errors.Is(err, io.EOF), "bytes after the frame: %v", err)
}

func TestEmptyBlocksAreOfAnyLength(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	frame := encoder.EncodeAll([]byte("a body"), nil)
	header := zstdHeaderLen(frame)
	for pad := 1; pad <= 300; pad++ {
		n := zstdPaddingLen(pad)
		blocks := appendEmptyBlocks(nil, n)
		require.Len(t, blocks, n)
		body, err := decoder.DecodeAll(slices.Insert(slices.Clone(frame), header, blocks...), nil)
		require.NoError(t, err)
		require.Equal(t, "a body", string(body))
	}
}
