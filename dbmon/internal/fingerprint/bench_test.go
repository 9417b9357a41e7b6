package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

func BenchmarkOf(b *testing.B) {
	for _, q := range []struct{ name, text string }{
		{"110 bytes", "SELECT id, name, email FROM users WHERE email = $1 AND status = 'active' AND deleted_at IS NULL LIMIT 10 OFFSET 5"},
		{"with aliases", "SELECT u.id, u.name, o.total AS sum FROM users u JOIN orders AS o ON o.user_id = u.id WHERE u.email = $1 AND o.total > 5"},
		{"1 KB", "SELECT " + strings.Repeat("column_name, other, ", 40) + "x FROM t WHERE a = 'text' AND b = 5 AND c IN (1, 2, 3, 4, 5) ORDER BY d LIMIT 10 "},
		{"1,000 rows", "INSERT INTO t (a, b, c) VALUES " + strings.Repeat("(1, 'text', NULL), ", 999) + "(1, 'text', NULL)"},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(q.text)))
			for b.Loop() {
				fingerprint.Of(fingerprint.PostgreSQL, q.text)
			}
		})
	}
}
