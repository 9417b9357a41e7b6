// Package secheaders compares sluice's secheaders with another middleware that sets
// security headers. README.md says what each does; the tests check it.
package secheaders

import (
	"fmt"
	"net/http"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

const (
	bare         = "the application alone"
	bareStacked  = "the application in another layer of sluice"
	sluiceName   = "sluice"
	stackedName  = "sluice, in another layer of it"
	unrolledName = "unrolled/secure"
	byHandName   = "the same headers, written by hand"
)

// subject is a contender.
type subject struct {
	name string
	open func() (layers, error)
	in   middleware // what is around it, and around what it is compared with
	over string
}

// subjects are all, sluice first.
var subjects = []subject{
	{sluiceName, openSluice, served, bare},
	{stackedName, openSluice, servedStacked, bareStacked},
	{unrolledName, openUnrolled, served, bare},
	{byHandName, openByHand, served, bare},
}

func servedStacked(h http.Handler) http.Handler { return served(stacked(h)) }

// Suite is what the command measures.
func Suite() (harness.Suite, error) {
	suite := harness.Suite{
		Package: "secheaders",
		Cases:   cases(),
		Bare: []harness.Bare{
			{Name: bare, Handler: served(app(none()))},
			{Name: bareStacked, Handler: servedStacked(app(none()))},
		},
		Bars: bars(),
		CPU:  true,
	}
	for _, s := range subjects {
		l, err := s.open()
		if err != nil {
			return suite, fmt.Errorf("%s: %w", s.name, err)
		}
		suite.Subjects = append(suite.Subjects, harness.Subject{Name: s.name, Handler: s.in(app(l)), Over: s.over})
	}
	return suite, nil
}

// What sluice promises: a share of the time that unrolled/secure adds, and allocations
// beyond the one of the recorder that all layers share.
const (
	constantShare, constantAllocs = 1.0 / 8, 0
	noncedShare, noncedAllocs     = 1.0 / 5, 3
	recorderAllocs                = 1
)

// bars are for the layers alone. Where the map of the header is a new one, who writes
// the headers by hand adds more than an eighth already.
func bars() (all []harness.Bar) {
	for _, p := range programs {
		b := harness.Bar{Case: p.name + kept, Of: stackedName, Against: unrolledName, Share: constantShare, Allocs: constantAllocs}
		if p.name == noncedPage {
			b.Share, b.Allocs = noncedShare, noncedAllocs
		}
		alone := b
		alone.Of, alone.Allocs = sluiceName, b.Allocs+recorderAllocs
		all = append(all, b, alone)
	}
	return all
}
