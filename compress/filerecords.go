package compress

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Reasons not to serve a sibling.
var (
	errOlder       = errors.New("it is older than the file that it was made from")
	errTooLong     = errors.New("it is longer than 64 MiB")
	errNoSeeker    = errors.New("its file system has no Seek")
	errOtherLength = errors.New("its content is not as long as the file that it stands for")
	errNoGzip      = errors.New("it is not gzip (RFC 1952)")
	errMembers     = errors.New("it is not one member of gzip as long as the file that it stands for, and browsers stop after the first")
	errNoBrotli    = errors.New("it has a large window of brotli, which browsers refuse (RFC 7932)")
)

const (
	maxHashed  = 64 << 20 // bytes of a file that are read to know it
	maxRecords = 8192     // files that are remembered
	maxRefused = 1024     // siblings that the log hears of
)

// fileRecords is what is known of files that were sent.
type fileRecords struct {
	logger *slog.Logger

	mu      sync.RWMutex
	known   map[recordKey]*fileRecord
	refused map[string]bool
}

// recordKey is a file by name, as what it is sent: name.gz may be the gzip of a
// name, and is a file, too.
type recordKey struct {
	name   string
	coding coding
}

// fileVersion is how a changed file is told from what it was.
type fileVersion struct {
	size     int64
	modified time.Time
	original int64 // the size of the original, if this is a sibling
}

func (v fileVersion) same(u fileVersion) bool {
	return v.size == u.size && v.original == u.original && v.modified.Equal(u.modified)
}

// fileRecord is what is known of one version of a file.
type fileRecord struct {
	fileVersion
	once    sync.Once
	refused bool   // it is no sibling that can be sent
	tag     string // "" if it is too long for one
	sniffed string // its content type by its first bytes
}

// of returns what is known of an open file, which it reads if that is not much.
// Without content the file can only be read once.
func (s *fileRecords) of(f fs.File, name string, c coding, original int64) (content io.ReadSeeker, rec *fileRecord) {
	content, ok := f.(io.ReadSeeker)
	if !ok && c != identity {
		s.refuse(name+c.extension(), errNoSeeker)
	}
	info, err := f.Stat()
	if !ok || err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	key := recordKey{name, c}
	rec = s.get(key, fileVersion{info.Size(), info.ModTime(), original})
	rec.once.Do(func() { err = s.read(key, rec, content) })
	if err != nil {
		return nil, nil
	}
	return content, rec
}

// read fills in a record, and winds back.
func (s *fileRecords) read(key recordKey, rec *fileRecord, f io.ReadSeeker) error {
	rec.refused = true // in case of a panic
	reason, err := rec.read(f, key.coding)
	rec.refused = err != nil || reason != nil
	if err != nil {
		s.forget(key, rec)
	} else if reason != nil {
		s.refuse(key.name+key.coding.extension(), reason)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func (s *fileRecords) get(key recordKey, v fileVersion) *fileRecord {
	s.mu.RLock()
	rec := s.known[key]
	s.mu.RUnlock()
	if rec != nil && rec.same(v) {
		return rec
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec = s.known[key]; rec != nil && rec.same(v) {
		return rec
	}
	if s.known == nil {
		s.known = map[recordKey]*fileRecord{}
	}
	if len(s.known) >= maxRecords && rec == nil {
		for old := range s.known { // whichever comes: the map begins anywhere
			delete(s.known, old)
			break
		}
	}
	rec = &fileRecord{fileVersion: v}
	s.known[key] = rec
	return rec
}

// forget makes the next request try again.
func (s *fileRecords) forget(key recordKey, rec *fileRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[key] == rec {
		delete(s.known, key)
	}
}

// refuse tells the log once of a sibling that is not served.
func (s *fileRecords) refuse(name string, reason error) {
	s.mu.RLock()
	told := s.told(name)
	s.mu.RUnlock()
	if told {
		return
	}
	s.mu.Lock()
	if told = s.told(name); !told {
		if s.refused == nil {
			s.refused = map[string]bool{}
		}
		s.refused[name] = true
	}
	s.mu.Unlock()
	if !told {
		s.logger.Warn("compress: a precompressed file is not served", "file", name, "reason", reason)
	}
}

// told reports whether the log has heard of a sibling, or of enough.
func (s *fileRecords) told(name string) bool { return s.refused[name] || len(s.refused) >= maxRefused }

// read finds out about a file. err is why that failed, and reason why a sibling is
// not to be sent.
func (rec *fileRecord) read(f io.ReadSeeker, c coding) (reason, err error) {
	if rec.size > maxHashed {
		if c != identity {
			return errTooLong, nil
		}
		head, err := bufio.NewReader(io.LimitReader(f, sniffLength)).Peek(sniffLength)
		rec.sniffed = http.DetectContentType(head)
		return nil, unlessEOF(err)
	}
	sum := &countingHash{Hash: sha256.New()}
	r := bufio.NewReader(io.TeeReader(io.LimitReader(f, rec.size+1), sum))
	head, err := r.Peek(sniffLength)
	if err := unlessEOF(err); err != nil {
		return nil, err
	}
	rec.sniffed = http.DetectContentType(head)
	switch c {
	case zstded:
		reason = rec.checkZstd(r)
	case brotlied:
		reason = checkBrotli(head)
	case gzipped:
		reason = checkGzip(r)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	if sum.n != rec.size {
		return nil, io.ErrUnexpectedEOF // somebody is writing it
	}
	if c == gzipped && reason == nil {
		if reason, err = rec.checkGzipEnd(f); err != nil {
			return nil, err
		}
	}
	rec.tag = hashTag(sum, c)
	return reason, nil
}

// sniffLength is how many bytes the type of content is seen from.
const sniffLength = 512

func unlessEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

type countingHash struct {
	hash.Hash
	n int64
}

func (c *countingHash) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.Hash.Write(p)
}

// hashTag names the bytes that are sent, those of the sibling if it is one. A
// tag that were made of the original would be the same after it was compressed
// anew, and the same as that of a [Compressor] that encodes the original: such
// bytes are not the same (RFC 9110 §8.8.1).
func hashTag(sum hash.Hash, c coding) string {
	tag := `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
	if c == identity {
		return tag
	}
	return suffixed(tag, c)
}

func (rec *fileRecord) checkZstd(r *bufio.Reader) error {
	content, err := readZstd(r)
	if err == nil && content >= 0 && content != rec.original {
		err = errOtherLength
	}
	return err
}

// checkBrotli looks at the window, of which all sizes in RFC 7932 §9.1 are well:
// the one that it reserves is where encoders write larger ones.
func checkBrotli(head []byte) error {
	const windowBits, largeWindow = 0x7f, 0x11
	if len(head) == 0 || head[0]&windowBits == largeWindow {
		return errNoBrotli
	}
	return nil
}

// checkGzip and checkGzipEnd find several members without decoding them: the last
// one ends with the length of its own content (RFC 1952 §2.3.1), which is less
// than that of all if the first one has any.
func checkGzip(r *bufio.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return errNoGzip
	}
	z.Multistream(false)
	var b [1]byte
	if _, err := io.ReadFull(z, b[:]); err != nil {
		return errMembers
	}
	return nil
}

func (rec *fileRecord) checkGzipEnd(f io.ReadSeeker) (reason, err error) {
	var end [4]byte
	if _, err := f.Seek(-int64(len(end)), io.SeekEnd); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(f, end[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(end[:]) != uint32(rec.original) {
		return errMembers, nil
	}
	return nil, nil
}
