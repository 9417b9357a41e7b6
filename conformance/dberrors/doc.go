// Package dberrors holds the errors of drivers that the project itself does not
// use to the classes that dbmon puts them in: lib/pq on a real PostgreSQL, and
// the other two drivers of SQLite. dbmon imports none of them, and knows their
// errors by methods and fields only.
package dberrors
