package dbmon

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"

	sluice "github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/metrics"
)

// openSluiceZero has all features: the log of slow queries, the statistics, leaks and
// the figures that dbmon/prom shows are on by default, and N+1 is looked for where
// there is a scope.
func openSluiceZero(d driver.DriverContext, _ providers) (*sql.DB, error) {
	_, db, err := newSluice(d, sluice.Options{})
	return db, err
}

// openSluiceObserved has the durations a second time, as native histograms and with
// exemplars.
func openSluiceObserved(d driver.DriverContext, _ providers) (*sql.DB, error) {
	m, err := metrics.New(metrics.Options{})
	if err != nil {
		return nil, err
	}
	_, db, err := newSluice(d, sluice.Options{OnQuery: m.ObserveQuery})
	return db, err
}

func newSluice(d driver.DriverContext, o sluice.Options) (*sluice.Monitor, *sql.DB, error) {
	o.Logger = slog.New(slog.DiscardHandler) // it would write between the tables
	mon, err := sluice.New(o)
	if err != nil {
		return nil, nil, err
	}
	c, err := d.OpenConnector("")
	if err != nil {
		return nil, nil, err
	}
	return mon, sql.OpenDB(mon.WrapConnector(c)), nil
}

// sluiceUnit is a scope with a block in it, as a request has them.
func sluiceUnit(ctx context.Context) (context.Context, func()) {
	ctx, end := sluice.Scope(ctx)
	ctx, done := sluice.Track(ctx, block)
	return ctx, func() {
		done()
		end()
	}
}

const block = "fetch_things"
