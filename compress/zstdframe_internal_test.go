package compress

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func readFrames(b []byte) (int64, error) { return readZstd(bufio.NewReader(bytes.NewReader(b))) }

// frameOf is a frame with a window and one raw block.
func frameOf(windowLog byte, content string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, frameMagic)
	b = append(b, 0, (windowLog-10)<<3)
	header := uint32(len(content))<<3 | 1
	b = append(b, byte(header), byte(header>>8), byte(header>>16))
	return append(b, content...)
}

// wholeFrame declares a length of up to eight bytes, which is its window, too.
func wholeFrame(length uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, frameMagic)
	b = append(b, 0xe0)
	b = binary.LittleEndian.AppendUint64(b, length)
	return append(b, 1, 0, 0)
}

func skippable(kind uint32, length int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, skippableMagic+kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	return append(b, make([]byte, length)...)
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Trap d.30: no window above 8 MiB, in any frame, past skippable frames.
func TestReadZstd(t *testing.T) {
	const window = "it needs a window of "
	tests := []struct {
		name    string
		file    []byte
		content int64
		fault   string
	}{
		{"a frame without a length", frameOf(10, "abc"), -1, ""},
		{"the largest window", frameOf(23, "abc"), -1, ""},
		{"a window that is too large", frameOf(24, "abc"), 0, window + "16777216"},
		{"a window that is a little too large", append([]byte("\x28\xb5\x2f\xfd\x00\x69"), 1, 0, 0), 0, window + "9437184"},
		{"128 MiB", frameOf(27, "abc"), 0, window + "134217728"},
		{"the largest that can be said", frameOf(41, "abc"), 0, window + "2199023255552"},
		{"the largest whole content", wholeFrame(8 << 20), 8 << 20, ""},
		{"whole content that is too long", wholeFrame(8<<20 + 1), 0, window + "8388609"},
		{"whole content beyond int64", wholeFrame(1 << 63), 0, window + "9223372036854775808"},
		{"a skippable frame before it", concat(skippable(0, 5), frameOf(10, "abc")), -1, ""},
		{"all of them", concat(skippable(7, 0), skippable(15, 70000), frameOf(10, "abc"), skippable(3, 1)), -1, ""},
		{"too large after skippable frames", concat(skippable(0, 70000), skippable(1, 0), frameOf(24, "abc")), 0, window},
		{"too large in the second frame", concat(frameOf(10, "abc"), frameOf(24, "abc")), 0, window},
		{"lengths add up", concat(wholeFrame(3), skippable(0, 1), wholeFrame(4)), 7, ""},
		{"one does not tell", concat(wholeFrame(3), frameOf(10, "abc"), wholeFrame(4)), -1, ""},
		{"a dictionary", append([]byte("\x28\xb5\x2f\xfd\x01\x50\x07"), 1, 0, 0), 0, errDictionary.Error()},
		{"a dictionary without a name is none", append([]byte("\x28\xb5\x2f\xfd\x01\x50\x00"), 1, 0, 0), -1, ""},
		{"a checksum", append([]byte("\x28\xb5\x2f\xfd\x04\x50"), 1, 0, 0, 9, 9, 9, 9), -1, ""},
		{"a checksum that is cut off", append([]byte("\x28\xb5\x2f\xfd\x04\x50"), 1, 0, 0, 9, 9, 9), 0, errNoZstd.Error()},
		{"a byte that is repeated", append([]byte("\x28\xb5\x2f\xfd\x00\x50"), 0x1b, 0, 0, 'a'), -1, ""},
		{"a reserved bit", append([]byte("\x28\xb5\x2f\xfd\x08\x50"), 1, 0, 0), 0, errNoZstd.Error()},
		{"a reserved kind of block", append([]byte("\x28\xb5\x2f\xfd\x00\x50"), 7, 0, 0), 0, errNoZstd.Error()},
		{"a block longer than the window", frameOf(10, strings.Repeat("a", 1025)), 0, errNoZstd.Error()},
		{"a block longer than any may be", frameOf(20, strings.Repeat("a", 128<<10+1)), 0, errNoZstd.Error()},
		{"nothing", nil, 0, errNoZstd.Error()},
		{"only what is to be skipped", skippable(0, 5), -0, errNoZstd.Error()},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), 0, errNoZstd.Error()},
		{"zstd of before RFC 8878", append([]byte("\x27\xb5\x2f\xfd\x00\x50"), 1, 0, 0), 0, errNoZstd.Error()},
		{"something after it", append(frameOf(10, "abc"), 0), 0, errNoZstd.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content, err := readFrames(tt.file)
			if tt.fault != "" {
				require.ErrorContains(t, err, tt.fault)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.content, content)
			for n := range len(tt.file) { // cut off within a frame
				if _, err := readFrames(tt.file[:n]); err == nil {
					require.True(t, bytes.HasPrefix(tt.file[n:], []byte("\x28\xb5")) || tt.file[n]>>4 == 5, "%d bytes", n)
				}
			}
		})
	}
}

func TestReadZstdAgreesWithTheEncoder(t *testing.T) {
	body := []byte(strings.Repeat("The flow at the gate. ", 30_000))
	for _, window := range []int{1 << 10, 128 << 10, 8 << 20} {
		for _, size := range []int{0, 1, 255, 256, 300, 65791, 65792, len(body)} {
			var b bytes.Buffer
			w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
			require.NoError(t, err)
			content, err := readFrames(w.EncodeAll(body[:size], nil))
			require.NoError(t, err)
			if size == 0 || size >= 256 { // below that it may not declare a length
				require.EqualValues(t, size, content)
			} else {
				require.Contains(t, []int64{-1, int64(size)}, content)
			}
			b.Reset()

			w.Reset(&b)
			_, err = w.Write(body[:size]) // a stream has no length, unless it is short
			require.NoError(t, err)
			require.NoError(t, w.Close())
			content, err = readFrames(b.Bytes())
			require.NoError(t, err)
			require.Contains(t, []int64{-1, int64(size)}, content)
		}
	}
	w, err := zstd.NewWriter(io.Discard, zstd.WithWindowSize(16<<20), zstd.WithSingleSegment(false))
	require.NoError(t, err)
	_, err = readFrames(w.EncodeAll(bytes.Repeat(body, 20), nil))
	require.ErrorContains(t, err, "window")
}

// FuzzReadZstd holds the reader against the one of klauspost/compress: what that
// decodes with a window of up to 8 MiB is well, and header by header they read
// the same.
func FuzzReadZstd(f *testing.F) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(f, err)
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(16<<20), zstd.IgnoreChecksum(true))
	require.NoError(f, err)
	f.Cleanup(dec.Close)
	for _, seed := range [][]byte{
		nil, frameOf(10, "abc"), frameOf(24, "abc"), wholeFrame(8<<20 + 1), concat(skippable(2, 9), frameOf(10, "abc")),
		enc.EncodeAll([]byte(strings.Repeat("abc", 300)), nil), []byte("\x28\xb5\x2f\xfd\x05\x50\x07\x01\x00\x00"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		content, fault := readFrames(file)
		if body, err := dec.DecodeAll(file, nil); err == nil && len(body) > 0 {
			require.NoError(t, fault)
			require.Contains(t, []int64{-1, int64(len(body))}, content)
		}
		var h zstd.Header
		if h.Decode(file) != nil || h.Skippable {
			return
		}
		got, err := readFrameHeader(bufio.NewReader(bytes.NewReader(file[4:])))
		if err != nil {
			require.Equal(t, errNoZstd, err)
			return
		}
		want := h.WindowSize
		if h.SingleSegment {
			want = h.FrameContentSize
		}
		require.Equal(t, want, got.window)
		require.Equal(t, uint64(h.DictionaryID), got.dictionary)
		require.Equal(t, h.HasCheckSum, got.checksum)
		require.Equal(t, h.HasFCS && h.FrameContentSize < 1<<63, got.content >= 0)
		if got.content >= 0 {
			require.EqualValues(t, h.FrameContentSize, got.content)
		}
	})
}
