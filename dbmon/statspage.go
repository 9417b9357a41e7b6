package dbmon

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"strconv"
	"time"
	"unicode/utf8"
)

//go:embed statspage.html
var statsPage string

//go:embed statspage.css
var statsStyle string

// statsPolicy lets the page have its own style and its own form. There is no
// script in it, and none would run.
func statsPolicy() string {
	sum := sha256.Sum256([]byte(statsStyle)) // CSP 3 §8.3
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

func parseStatsPage() *template.Template {
	return template.Must(template.New("statspage.html").Funcs(template.FuncMap{
		"ms":      formatMillis,
		"mean":    meanOf,
		"short":   shorten,
		"clock":   func(t time.Time) string { return t.Format("2006-01-02 15:04:05 UTC") },
		"instant": func(t time.Time) string { return t.Format(time.RFC3339) },
		"span":    func(from, to time.Time) time.Duration { return to.Sub(from).Round(time.Second) },
	}).Parse(statsPage))
}

// statsView is what the page shows.
type statsView struct {
	Statistics
	Style   template.CSS
	Max     int
	Sort    string
	JSON    string
	Columns []statsColumn
	Shown   []statsLine

	EvictedLine, TotalLine statsLine
}

type statsColumn struct {
	Title  string
	Link   string // to the page in its order, if it has one
	Sorted bool
}

type statsLine struct {
	QueryStats
	Share string // of the time of all queries
}

// renderPage makes the page of the queries that were asked for.
func (h *statsHandler) renderPage(s Statistics, shown []QueryStats, asked statsQuery) ([]byte, error) {
	v := statsView{
		Statistics: s, Style: template.CSS(statsStyle), Max: h.monitor.opts.MaxQueries, Sort: asked.sort,
		JSON:        asked.link(asked.sort, "json"),
		EvictedLine: lineOf(QueryStats{Figures: s.Evicted}, s.Total),
		TotalLine:   lineOf(QueryStats{Figures: s.Total}, s.Total),
	}
	for _, q := range shown {
		v.Shown = append(v.Shown, lineOf(q, s.Total))
	}
	for _, c := range [...]statsColumn{
		{"Query", "", false}, {"Operation", "", false}, {"Calls", "calls", false}, {"Total, ms", "total", false}, {"Share", "", false},
		{"Mean, ms", "mean", false}, {"p95, ms", "p95", false}, {"Max, ms", "max", false}, {"Rows", "rows", false}, {"Errors", "errors", false},
	} {
		if c.Link != "" {
			c.Sorted = c.Link == asked.sort
			c.Link = asked.link(c.Link, asked.format)
		}
		v.Columns = append(v.Columns, c)
	}
	var b bytes.Buffer
	err := h.page.Execute(&b, v)
	return b.Bytes(), err
}

func lineOf(q QueryStats, total Figures) statsLine {
	share := 0.0
	if total.Total > 0 {
		share = 100 * float64(q.Total) / float64(total.Total)
	}
	return statsLine{q, strconv.FormatFloat(share, 'f', 1, 64) + "\u00a0%"}
}

func meanOf(sum time.Duration, n uint64) time.Duration {
	if n == 0 {
		return 0
	}
	return sum / time.Duration(n)
}

// formatMillis shows milliseconds with three digits behind the point, and fewer
// where they would say nothing.
func formatMillis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	decimals := 3
	for limit := 10.0; decimals > 0 && ms >= limit; limit *= 10 {
		decimals--
	}
	return strconv.FormatFloat(ms, 'f', decimals, 64)
}

// maxShort is how much of a text is seen before its row is opened.
const maxShort = 120

func shorten(text string) string {
	if len(text) <= maxShort {
		return text
	}
	end := maxShort
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + " ..."
}
