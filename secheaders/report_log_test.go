package secheaders_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// linesAbout counts the lines about a page.
func linesAbout(in *inbox, document string) (n int) {
	for _, line := range in.log.lines() {
		if strings.Contains(line, "document="+document+" ") {
			n++
		}
	}
	return n
}

// A liar may take all lines: a violation that got none gets one when it is reported
// again, and is handed on once all the same.
func TestAViolationWithoutALineGetsOneLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{})
		const page = "https://shop.example/true"
		for i := range 10 {
			in.send(t, reportOf(cspReport, legacyReport("/forged", i)))
		}
		for range 3 {
			in.send(t, reportOf(cspReport, legacyReport("/true", 1)))
		}
		require.Zero(t, linesAbout(in, page))
		time.Sleep(10 * time.Second)
		for range 3 {
			in.send(t, reportOf(cspReport, legacyReport("/true", 1)))
			require.Equal(t, 1, linesAbout(in, page))
		}
		require.Contains(t, in.log.lines()[10], "repeats=3 left_out=1", "it was left out once")
		for i := range 10 {
			in.send(t, reportOf(cspReport, legacyReport("/forged", i))) // which have theirs
		}
		require.Len(t, in.log.lines(), 11)
		violations, _ := in.got()
		require.Len(t, violations, 11)
		time.Sleep(time.Minute)
		in.send(t, reportOf(cspReport, legacyReport("/true", 1)))
		require.Equal(t, 2, linesAbout(in, page), "after the window it is new")
	})
}

// Half of the lines are for documents of the host that is reported to.
func TestReportsAboutOthersTakeHalfOfTheLines(t *testing.T) {
	stranger := func(i int) string {
		return strings.ReplaceAll(legacyReport("/", i), "shop.example", "evil.example")
	}
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Rate: -1, ClientRate: -1})
		for i := range 50 {
			in.send(t, reportOf(cspReport, stranger(i)))
			in.send(t, reportOf(cspReport, fmt.Sprintf(`{"csp-report":{"effective-directive":"img-src","document-uri":"about:srcdoc","line-number":%d}}`, i)))
		}
		require.Len(t, in.log.lines(), 5)
		for i := range 50 {
			in.send(t, reportOf(cspReport, legacyReport("/cart", i)))
		}
		require.Len(t, in.log.lines(), 10)
		require.Equal(t, 5, linesAbout(in, "https://shop.example/cart"))
		require.Equal(t, 3, linesAbout(in, "https://evil.example/"))
	})
	synctest.Test(t, func(t *testing.T) {
		in := newInbox(t, ReportOptions{Rate: -1, ClientRate: -1})
		for i := range 50 {
			r := reportOf(cspReport, legacyReport("/cart", i))
			r.Host = "SHOP.example"
			in.send(t, r)
		}
		require.Equal(t, 10, linesAbout(in, "https://shop.example/cart"), "where nobody else needs them they have all")
	})
}
