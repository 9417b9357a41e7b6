package health

// damper turns the outcomes of runs into a status that does not flap. It is as
// bad as fail outcomes in a row were at least, and as good as succeed of them in
// a row were at least: one failure among lesser faults is still only one.
type damper struct {
	fail, succeed int

	level    level // the status; unknown until the first outcome, which counts at once
	known    bool
	asBad    [unhealthy + 1]int // outcomes in a row that were at least as bad as each level
	asGood   [unhealthy + 1]int // and at least as good
	failures int                // outcomes in a row that were not healthy
}

// observe takes an outcome and reports whether the status has changed.
func (d *damper) observe(l level) bool {
	from := d.level
	count(&d.failures, l != healthy)
	for is := healthy; is <= unhealthy; is++ {
		count(&d.asBad[is], l >= is)
		count(&d.asGood[is], l <= is)
	}
	switch {
	case !d.known:
		d.known, d.level = true, l
	case l > from:
		for l > from && d.asBad[l] < d.fail {
			l--
		}
		d.level = l
	case l < from:
		for l < from && d.asGood[l] < d.succeed {
			l++
		}
		d.level = l
	}
	return d.level != from
}

// forget leaves the status to the next outcome, after a time of which nothing is
// known.
func (d *damper) forget() {
	*d = damper{fail: d.fail, succeed: d.succeed, level: unknown, failures: d.failures}
}

func count(n *int, goesOn bool) {
	if *n++; !goesOn {
		*n = 0
	}
}
