package dbmon

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func BenchmarkLookup(b *testing.B) {
	for _, size := range []int{110, 1 << 10} {
		b.Run(fmt.Sprint(size, " bytes"), func(b *testing.B) {
			x := textsOf(b, 1000)
			sql := "SELECT id, name, email, created_at FROM users WHERE organization_id = ? AND status = ? ORDER BY created_at"
			sql += strings.Repeat(" ", size-len(sql))
			x.lookup(sql)
			b.ReportAllocs()
			for b.Loop() {
				x.lookup(sql)
			}
		})
	}
	b.Run("one of 1000 texts", func(b *testing.B) {
		x := textsOf(b, 1000)
		all := benchmarkTexts(1000)
		for _, sql := range all {
			x.lookup(sql)
		}
		r := rand.New(rand.NewPCG(1, 1))
		for b.Loop() {
			x.lookup(all[r.IntN(len(all))])
		}
	})
	b.Run("in parallel", func(b *testing.B) {
		x := textsOf(b, 1000)
		all := benchmarkTexts(1000)
		for _, sql := range all {
			x.lookup(sql)
		}
		var g atomic.Uint64
		b.RunParallel(func(p *testing.PB) {
			r := rand.New(rand.NewPCG(1, g.Add(1)))
			for p.Next() {
				x.lookup(all[r.IntN(len(all))])
			}
		})
	})
	b.Run("a text that comes once", func(b *testing.B) {
		x := textsOf(b, 1000)
		all := benchmarkTexts(100000)
		i := 0
		for b.Loop() {
			x.lookup(all[i%len(all)])
			i++
		}
	})
}

func benchmarkTexts(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("SELECT id, name, email, created_at FROM users WHERE organization_id = %d AND status = ? ORDER BY created_at", i)
	}
	return all
}

func BenchmarkRecord(b *testing.B) {
	b.Run("alone", func(b *testing.B) {
		tab, src := tableOf(b, 1000)
		q, k := tab.of(statementNo(1)), took(src, 1234567)
		b.ReportAllocs()
		for b.Loop() {
			q.record(k, ok)
		}
	})
	// The worst case: nobody has a database between two calls.
	b.Run("the same query in parallel", func(b *testing.B) {
		tab, src := tableOf(b, 1000)
		q := tab.of(statementNo(1))
		b.RunParallel(func(p *testing.PB) {
			k := took(src, 1234567)
			for p.Next() {
				q.record(k, ok)
			}
		})
	})
	b.Run("a query that evicts another", func(b *testing.B) {
		tab, src := tableOf(b, 1000)
		var all []*query
		for i := range 4000 {
			all = append(all, tab.of(statementNo(i)))
		}
		k := took(src, 1234567)
		i := 0
		for b.Loop() {
			all[i%len(all)].record(k, ok)
			i++
		}
	})
}

func BenchmarkStatistics(b *testing.B) {
	tab, src := tableOf(b, 1000)
	for i := range 1000 {
		tab.of(statementNo(i)).record(took(src, time.Duration(i)*time.Microsecond), ok)
	}
	src.table = tab
	b.Run("snapshot of 1000", func(b *testing.B) {
		for b.Loop() {
			src.Statistics()
		}
	})
	h := src.StatsHandler().(*statsHandler)
	s := src.Statistics()
	asked, _ := parseStatsQuery("", 1000)
	b.Run("page of 100", func(b *testing.B) {
		for b.Loop() {
			_, _ = h.renderPage(s, asked.choose(s.Queries), asked)
		}
	})
	b.Run("JSON of 100", func(b *testing.B) {
		for b.Loop() {
			_, _ = renderStats(s, asked.choose(s.Queries))
		}
	})
}
