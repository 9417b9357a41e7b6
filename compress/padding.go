package compress

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
)

// paddingText is what padding consists of. Only its length is random: nobody but
// the client sees more of it than that.
var paddingText = strings.Repeat("-", maxPadding)

// padding is how long the padding of one body is: any length from 1 to limit is
// equally likely, and none can be foretold (CVE-2013-3587).
func padding(limit int) int {
	if limit <= 0 {
		return 0
	}
	d := allDice.Get().(*dice)
	defer allDice.Put(d)
	return 1 + d.below(uint32(limit))
}

var allDice = sync.Pool{New: func() any { return new(dice) }}

// dice are random bytes drawn in advance, as one system call for each body costs
// more than the rest of the padding.
type dice struct {
	block [512]byte
	left  []byte
}

// below returns a number less than n. Numbers from the last, incomplete multiple of
// n are thrown away, or small ones would be likelier.
func (d *dice) below(n uint32) int {
	const all = 1 << 32
	for {
		if v := d.next(); uint64(v) < all-all%uint64(n) {
			return int(v % n)
		}
	}
}

func (d *dice) next() uint32 {
	if len(d.left) == 0 {
		_, _ = rand.Read(d.block[:]) // never fails: it ends the process first
		d.left = d.block[:]
	}
	v := binary.LittleEndian.Uint32(d.left)
	d.left = d.left[4:]
	return v
}
