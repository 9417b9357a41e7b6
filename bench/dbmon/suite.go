// Package dbmon compares sluice's dbmon with other layers around drivers of
// database/sql. README.md says what each does; the tests check it.
package dbmon

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

const (
	bare     = "the driver alone"
	allOn    = "sluice, all features"
	observed = "sluice, all, and OnQuery: ObserveQuery"
	xsamNoop = "XSAM/otelsql, no SDK"
)

// providers are those of OpenTelemetry.
type providers struct {
	tracer trace.TracerProvider
	meter  metric.MeterProvider
}

// noSDK are what the wrappers take by default. They wait for an SDK, which does not
// come, and record nothing.
func noSDK() providers { return providers{otel.GetTracerProvider(), otel.GetMeterProvider()} }

// subject is a contender.
type subject struct {
	name string
	open func(driver.DriverContext, providers) (*sql.DB, error)
	sdk  bool                                            // it is measured with providers that do something
	unit func(context.Context) (context.Context, func()) // what it makes of a unit of work, or nil
}

// subjects are all, sluice first.
var subjects = []subject{
	{name: allOn, open: openSluiceZero, unit: sluiceUnit},
	{name: observed, open: openSluiceObserved, unit: sluiceUnit},
	{name: "sluice, zero Options, no scope", open: openSluiceZero},
	{name: xsamNoop, open: openXSAM},
	{name: "XSAM/otelsql, with SDK", open: openXSAM, sdk: true},
	{name: "go.nhat.io/otelsql, no SDK", open: openNhat},
	{name: "uptrace/otelsql, no SDK", open: openUptrace},
	{name: "DataDog/dd-trace-go, not started", open: openDatadog},
	{name: "ngrok/sqlmw, which does nothing", open: openSqlmw},
	{name: "qustavo/sqlhooks, which do nothing", open: openSqlhooks},
}

// Suite is what the command measures.
func Suite() (harness.Suite, error) {
	suite := harness.Suite{Package: "dbmon", Cases: cases(), Bars: bars()}
	db, err := openAlone(nullDriver{}, providers{})
	if err != nil {
		return suite, err
	}
	alone, err := newApp(db, nil)
	if err != nil {
		return suite, err
	}
	suite.Bare = []harness.Bare{{Name: bare, Handler: alone}}
	for _, s := range subjects {
		p := noSDK()
		if s.sdk {
			p = newSDK()
		}
		db, err := s.open(nullDriver{}, p)
		if err != nil {
			return suite, fmt.Errorf("%s: %w", s.name, err)
		}
		a, err := newApp(db, s.unit)
		if err != nil {
			return suite, fmt.Errorf("%s: %w", s.name, err)
		}
		suite.Subjects = append(suite.Subjects, harness.Subject{Name: s.name, Handler: a, Over: bare})
	}
	return suite, nil
}

// bars are what sluice promises: of the time a fifth of what the wrapper adds that
// is used most, while that one records nothing.
func bars() (all []harness.Bar) {
	for _, p := range programs {
		allocs := 0.0
		if p.name == single || p.name == many {
			allocs = 1 // the rows
		}
		all = append(all,
			harness.Bar{Case: p.name + one, Against: xsamNoop, Share: 0.2, Allocs: allocs},
			harness.Bar{Case: p.name + sixteen, Against: xsamNoop, Share: 0.2, Allocs: allocs})
	}
	return all
}

func openAlone(d driver.DriverContext, _ providers) (*sql.DB, error) {
	c, err := d.OpenConnector("")
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}
