//go:build go1.27

package drivertest_test

import (
	"database/sql/driver"
	"reflect"

	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

// rowsShapes are all that there are.
const rowsShapes = drivertest.RowsShapes + "S"

var scanners = []reflect.Type{reflect.TypeFor[driver.RowsColumnScanner]()}
