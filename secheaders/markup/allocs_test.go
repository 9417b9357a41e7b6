//go:build !race

// Under the race detector pools drop what they are given, now and then.

package markup_test

import (
	"html/template"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANonceCostsOneAllocationAPage(t *testing.T) {
	plain := template.Must(template.New("page").Parse(benchPage))
	p := newPages(t, benchPage)
	ctx := nonced(t)
	base := testing.AllocsPerRun(200, func() { _ = plain.ExecuteTemplate(io.Discard, "page", benchData) })
	got := testing.AllocsPerRun(200, func() { _ = p.Execute(ctx, io.Discard, benchData) })
	require.LessOrEqual(t, got, base+1)
}
