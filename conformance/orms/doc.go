// Package orms runs the N+1 detection of dbmon against what programs use in the
// place of database/sql: GORM, Bun, sqlx and XORM. It is a module of its own, so
// that none of them is a dependency of sluice.
package orms
