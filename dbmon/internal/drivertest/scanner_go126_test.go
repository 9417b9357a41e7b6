//go:build !go1.27

package drivertest_test

import (
	"reflect"

	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

// rowsShapes are all that there are.
const rowsShapes = drivertest.RowsShapes

var scanners []reflect.Type
