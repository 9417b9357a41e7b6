package metrics

import (
	"cmp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Upload is one file that a client sent.
type Upload struct {
	// ContentType is the media type as declared or found. Its class becomes the
	// label: image, audio, video, text, font, document, archive or other.
	// Default: other.
	ContentType string
	// Size is the number of bytes that arrived.
	// Default: 0.
	Size int64
	// Rejected is the reason for which the file was not kept, one of a few that
	// the service has, such as "too_large".
	// Default: accepted.
	Rejected string
}

const accepted = "accepted"

type uploadKey struct{ class, outcome string }

type uploadSeries struct {
	files prometheus.Counter
	size  prometheus.Observer // of accepted files
}

func newUploads(f *factory) *bounded[uploadKey, uploadSeries] {
	total := f.counter("uploads_total", "Files that clients sent, by what became of them.", "type", "outcome")
	size := f.histogram("upload_size_bytes", "Sizes of the files that were kept.", f.opts.SizeBuckets, "type")
	clean := func(k uploadKey) uploadKey { return uploadKey{k.class, label(k.outcome)} }
	return bound(f, "upload", uploadKey{"other", Other}, clean, func(k uploadKey) *uploadSeries {
		return &uploadSeries{total.WithLabelValues(k.class, k.outcome), size.WithLabelValues(k.class)}
	})
}

func (u Upload) key() uploadKey {
	return uploadKey{typeClass(u.ContentType), cmp.Or(u.Rejected, accepted)}
}

// ObserveUpload records a file, kept or not. Neither its name nor its media type
// becomes a label.
func (m *Metrics) ObserveUpload(u Upload) {
	s := m.domain.uploads.get(u.key())
	s.files.Inc()
	if u.Rejected == "" {
		s.size.Observe(float64(max(0, u.Size)))
	}
}

// typeClass maps a media type to one of a closed set.
func typeClass(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	top, sub, _ := strings.Cut(strings.ToLower(strings.TrimSpace(t)), "/")
	switch top {
	case "image", "audio", "video", "text", "font":
		return top
	case "application":
	default:
		return "other"
	}
	for _, class := range []struct{ name, marks string }{
		{"document", "pdf msword officedocument opendocument rtf epub ms-excel ms-powerpoint"},
		{"archive", "zip gzip tar rar 7z bzip2 zstd compressed"},
		{"text", "json xml yaml javascript"},
	} {
		for mark := range strings.FieldsSeq(class.marks) {
			if strings.Contains(sub, mark) {
				return class.name
			}
		}
	}
	return "other"
}
