package compress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Faults of zstd files that browsers do not decode.
var (
	errNoZstd     = errors.New("it is not whole frames of zstd (RFC 8878)")
	errDictionary = errors.New("it needs a dictionary of zstd, which clients do not have")
)

const (
	frameMagic     = 0xFD2FB528 // RFC 8878 §3.1.1
	skippableMagic = 0x184D2A50 // and the 15 after it, §3.1.2
	maxBlock       = 128 << 10  // §3.1.1.2.4
)

// readZstd reads frames of zstd up to the end of r, block by block and without
// decoding them, and returns how long the content is that they declare: -1 if one
// of them does not. Its error says why a browser would not decode them: libzstd
// refuses a window above 8 MiB in any of the frames, and before the first byte
// only in the first.
func readZstd(r *bufio.Reader) (content int64, err error) {
	frames := 0
	for {
		magic, err := readLittle(r, 4)
		switch {
		case errors.Is(err, io.EOF) && frames > 0:
			return content, nil
		case err != nil:
			return 0, errNoZstd
		case magic&^0xf == skippableMagic:
			err = skipFrame(r)
		case magic == frameMagic:
			frames++
			var length int64
			length, err = readFrame(r)
			content = addContent(content, length)
		default:
			err = errNoZstd
		}
		if err != nil {
			return 0, err
		}
	}
}

// addContent adds up lengths of which -1 is unknown. A sum that is too large to
// be true is unknown, too.
func addContent(sum, length int64) int64 {
	if sum < 0 || length < 0 || sum > math.MaxInt64-length {
		return -1
	}
	return sum + length
}

func skipFrame(r *bufio.Reader) error {
	length, err := readLittle(r, 4)
	if err != nil {
		return errNoZstd
	}
	return skipBytes(r, int64(length))
}

// frameHeader is what comes before the blocks (RFC 8878 §3.1.1.1).
type frameHeader struct {
	window     uint64
	content    int64 // -1 if it is not declared
	dictionary uint64
	checksum   bool
}

// readFrame reads what follows the magic number.
func readFrame(r *bufio.Reader) (content int64, err error) {
	h, err := readFrameHeader(r)
	switch {
	case err != nil:
		return 0, err
	case h.window > maxWindow:
		return 0, fmt.Errorf("it needs a window of %d bytes, and browsers refuse more than %d (RFC 9659)", h.window, maxWindow)
	case h.dictionary != 0:
		return 0, errDictionary
	}
	if err := skipBlocks(r, min(h.window, maxBlock)); err != nil {
		return 0, err
	}
	if h.checksum {
		err = skipBytes(r, 4)
	}
	return h.content, err
}

func readFrameHeader(r *bufio.Reader) (h frameHeader, err error) {
	// A read after a failed one fails, too, so that the last error is enough.
	descriptor, _ := readLittle(r, 1)
	const singleSegment, reserved, checksum = 1 << 5, 1 << 3, 1 << 2
	single := descriptor&singleSegment != 0
	if !single {
		b, _ := readLittle(r, 1)
		base := uint64(1) << (10 + b>>3) // §3.1.1.1.2
		h.window = base + base/8*(b&7)
	}
	h.dictionary, _ = readLittle(r, [...]int{0, 1, 2, 4}[descriptor&3])
	h.checksum = descriptor&checksum != 0
	length, err := readContentSize(r, descriptor>>6, single)
	if single {
		h.window = length // §3.1.1.1.2: the whole content is in memory
	}
	h.content = int64(length)
	if h.content < 0 || descriptor>>6 == 0 && !single {
		h.content = -1
	}
	if err != nil || descriptor&reserved != 0 {
		return h, errNoZstd
	}
	return h, nil
}

// readContentSize reads the Frame_Content_Size (RFC 8878 §3.1.1.1.4). Without one
// it reads nothing, but finds out that nothing is left.
func readContentSize(r *bufio.Reader, flag uint64, single bool) (uint64, error) {
	switch {
	case flag == 1:
		n, err := readLittle(r, 2)
		return n + 256, err
	case flag > 1:
		return readLittle(r, 1<<flag)
	case single:
		return readLittle(r, 1)
	}
	_, err := r.Peek(1) // a block must follow
	return 0, err
}

// skipBlocks reads up to the last block of a frame (RFC 8878 §3.1.1.2).
func skipBlocks(r *bufio.Reader, largest uint64) error {
	for {
		header, err := readLittle(r, 3)
		const last, kinds, runLength, reserved = 1, 3, 1, 3
		kind, length := header>>1&kinds, header>>3
		if err != nil || kind == reserved || length > largest {
			return errNoZstd
		}
		if kind == runLength {
			length = 1 // byte, which is repeated
		}
		if err := skipBytes(r, int64(length)); err != nil {
			return err
		}
		if header&last != 0 {
			return nil
		}
	}
}

// readLittle reads a number of up to eight bytes, the lowest first. Its error is
// io.EOF where none is left.
func readLittle(r *bufio.Reader, bytes int) (uint64, error) {
	var b [8]byte
	for i := range bytes { // a slice of b that goes to a Reader would be allocated
		c, err := r.ReadByte()
		if err != nil {
			if i > 0 {
				err = errNoZstd
			}
			return 0, err
		}
		b[i] = c
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

func skipBytes(r *bufio.Reader, n int64) error {
	for n > 0 { // an int may have 32 bits
		step := min(n, 1<<20)
		if _, err := r.Discard(int(step)); err != nil {
			return errNoZstd
		}
		n -= step
	}
	return nil
}
