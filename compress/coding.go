package compress

// Coding is a content coding (RFC 9110 §8.4.1) by its registered name.
type Coding string

// The codings that a [Compressor] can apply.
const (
	Gzip   Coding = "gzip" // RFC 1952
	Brotli Coding = "br"   // RFC 7932
	Zstd   Coding = "zstd" // RFC 8878, RFC 9659
)

// coding is a Coding as a small number.
type coding uint8

const (
	identity coding = iota
	gzipped
	brotlied
	zstded
	codings // how many there are
	refused // there is no coding that the client would take
)

var codingNames = [codings]string{identity: "identity", gzipped: string(Gzip), brotlied: string(Brotli), zstded: string(Zstd)}

func (c coding) String() string { return codingNames[c] }

func codingOf(c Coding) (coding, bool) {
	switch c {
	case Gzip:
		return gzipped, true
	case Brotli:
		return brotlied, true
	case Zstd:
		return zstded, true
	default:
		return identity, false
	}
}
