package dberrors_test

import _ "github.com/ncruces/go-sqlite3/driver"

var sqlites = map[string]string{
	"sqlite3": "?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=busy_timeout(10)&_txlock=deferred",
}
