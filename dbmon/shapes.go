package dbmon

import (
	"database/sql/driver"

	"github.com/sluice-go/sluice/dbmon/internal/shape"
)

//go:generate go run ./genshapes

func stmtShapeOf(s driver.Stmt) stmtShape {
	return shape.Has[driver.StmtExecContext](s, stmtHasStmtExecContext) |
		shape.Has[driver.StmtQueryContext](s, stmtHasStmtQueryContext) |
		shape.Has[driver.NamedValueChecker](s, stmtHasNamedValueChecker) |
		//lint:ignore SA1019 what an old driver has is kept
		shape.Has[driver.ColumnConverter](s, stmtHasColumnConverter)
}

// columnShapeOf knows all shapes that rows had before Go 1.27.
func columnShapeOf(r driver.Rows) rowsShape {
	return shape.Has[driver.RowsNextResultSet](r, rowsHasNextResultSet) |
		shape.Has[driver.RowsColumnTypeScanType](r, rowsHasColumnTypeScanType) |
		shape.Has[driver.RowsColumnTypeDatabaseTypeName](r, rowsHasColumnTypeDatabaseTypeName) |
		shape.Has[driver.RowsColumnTypeLength](r, rowsHasColumnTypeLength) |
		shape.Has[driver.RowsColumnTypeNullable](r, rowsHasColumnTypeNullable) |
		shape.Has[driver.RowsColumnTypePrecisionScale](r, rowsHasColumnTypePrecisionScale)
}
