package dbmon

import (
	"context"
	"database/sql"
	"database/sql/driver"

	datadog "github.com/DataDog/dd-trace-go/contrib/database/sql/v2"
	xsam "github.com/XSAM/otelsql"
	"github.com/ngrok/sqlmw"
	"github.com/qustavo/sqlhooks/v2"
	uptrace "github.com/uptrace/opentelemetry-go-extra/otelsql"
	nhat "go.nhat.io/otelsql"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newSDK records every span and hands it to nobody: what an exporter costs comes
// on top of it.
func newSDK() providers {
	return providers{
		sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(drop{})),
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
	}
}

type drop struct{}

func (drop) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (drop) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (drop) Shutdown(context.Context) error                  { return nil }
func (drop) ForceFlush(context.Context) error                { return nil }

// system is the attribute that the documentation of all three wrappers of
// OpenTelemetry has in its examples, as the conventions call it now.
var system = attribute.String("db.system.name", "postgresql")

func openXSAM(d driver.DriverContext, p providers) (*sql.DB, error) {
	c, err := d.OpenConnector("")
	if err != nil {
		return nil, err
	}
	return xsam.OpenDB(c, xsam.WithAttributes(system), xsam.WithTracerProvider(p.tracer), xsam.WithMeterProvider(p.meter)), nil
}

// openNhat has the options of its documentation: without them there are no spans
// but below others, and none for rows.
func openNhat(d driver.DriverContext, p providers) (*sql.DB, error) {
	return openDriver(nhat.Wrap(d.(driver.Driver), nhat.WithTracerProvider(p.tracer), nhat.WithMeterProvider(p.meter),
		nhat.AllowRoot(), nhat.TraceQueryWithoutArgs(), nhat.TraceRowsClose(), nhat.TraceRowsAffected(),
		nhat.WithDatabaseName("things"), nhat.WithSystem(system)))
}

func openUptrace(d driver.DriverContext, p providers) (*sql.DB, error) {
	c, err := d.OpenConnector("")
	if err != nil {
		return nil, err
	}
	return uptrace.OpenDB(c, uptrace.WithAttributes(system), uptrace.WithDBName("things"),
		uptrace.WithTracerProvider(p.tracer), uptrace.WithMeterProvider(p.meter)), nil
}

// openDatadog has spans that go nowhere: nobody started the tracer.
func openDatadog(d driver.DriverContext, _ providers) (*sql.DB, error) {
	c, err := d.OpenConnector("")
	if err != nil {
		return nil, err
	}
	return datadog.OpenDB(c), nil
}

func openSqlmw(d driver.DriverContext, _ providers) (*sql.DB, error) {
	return openDriver(sqlmw.Driver(d.(driver.Driver), sqlmw.NullInterceptor{}))
}

func openSqlhooks(d driver.DriverContext, _ providers) (*sql.DB, error) {
	return openDriver(sqlhooks.Wrap(d.(driver.Driver), noHooks{}))
}

type noHooks struct{}

func (noHooks) Before(ctx context.Context, _ string, _ ...any) (context.Context, error) {
	return ctx, nil
}

func (noHooks) After(ctx context.Context, _ string, _ ...any) (context.Context, error) {
	return ctx, nil
}

func openDriver(d driver.Driver) (*sql.DB, error) {
	if dc, ok := d.(driver.DriverContext); ok {
		c, err := dc.OpenConnector("")
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(c), nil
	}
	return sql.OpenDB(byName{d}), nil
}

// byName opens connections of a driver without connectors.
type byName struct{ driver driver.Driver }

func (c byName) Connect(context.Context) (driver.Conn, error) { return c.driver.Open("") }

func (c byName) Driver() driver.Driver { return c.driver }
