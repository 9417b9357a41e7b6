package fingerprint_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Trap d.7: plans contain literals.
func TestRedact(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		in      string
		want    string
	}{
		{"a comparison", postgresql, `(email = 'SECRET@b'::text)`, `(email = ?::text)`},
		{"names and their quotes", postgresql, `(("Id" = 42) AND (u."Name" ~~ 'SECRET%'::text))`, `(("Id" = ?) AND (u."Name" ~~ ?::text))`},
		{"an array", postgresql, `(kind = ANY ('{SECRET,b}'::text[]))`, `(kind = ANY (?::text[]))`},
		{"escapes", postgresql, `(a = E'it\'s \\ SECRET'::text)`, `(a = ?::text)`},
		{"plans within plans", postgresql, `(NOT (hashed SubPlan 1))`, `(NOT (hashed SubPlan ?))`},
		{"predicates", postgresql, `((a IS NOT NULL) AND (b IS TRUE))`, `((a IS NOT NULL) AND (b IS TRUE))`},
		{"a remote statement", postgresql, `SELECT id FROM public.users WHERE ((email = 'SECRET'::text)); SELECT 'SECRET'`, `SELECT id FROM public.users WHERE ((email = ?::text)) ; SELECT ?`},
		{"aliases", postgresql, `users u JOIN "Orders" AS o`, `users u JOIN "Orders" AS o`},
		{"a condition of MySQL", mysql, "((`db`.`t`.`A` = 'it\\'s SECRET') and (`db`.`t`.`b` > \"SECRET\"))", "((db.t.A = ?) and (db.t.b > ?))"},
		{"a cached value of MySQL", mysql, "(t.a = <cache>('SECRET'))", "(t.a = < cache > (?))"},
		{"a list of MySQL", mysql, "(t.a in ('SECRET','SECRET',42))", "(t.a in (?))"},
		{"an executed comment", mysql, "(/*!99999 it's */ 'SECRET'", "(it ?"},
		{"a value in double quotes", sqlite, `"SECRET" = a AND b.c = "SECRET"`, `? = a AND b.c = ?`},
		{"what looks like a table", sqlite, `FROM 'SECRET', "SECRET" JOIN 'SECRET'`, `FROM ?, ? JOIN ?`},
		{"what is not known", unknown, `(a = 'x\' AND b = 'SECRET')`, `(a = ?`},
		{"an open string", postgresql, `(a = 'SECRET`, `(a = ?`},
		{"words that make statements", postgresql, `ALTER USER bob PASSWORD 'SECRET'`, `ALTER USER bob PASSWORD ?`},
		{"nothing", mysql, ``, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fingerprint.Redact(tt.dialect, tt.in)
			require.Equal(t, tt.want, got)
			require.Equal(t, got, fingerprint.Redact(tt.dialect, got))
		})
	}
}

func TestARedactedExpressionIsBounded(t *testing.T) {
	for _, d := range dialects {
		got := fingerprint.Redact(d, strings.Repeat("é = 'SECRET' OR ", 100_000))
		require.LessOrEqual(t, len(got), fingerprint.MaxText)
		require.True(t, utf8.ValidString(got))
		require.NotContains(t, got, "SECRET")
	}
}
