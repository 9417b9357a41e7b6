#!/usr/bin/env bash
# The drivers' own test suites, without dbmon and with it: it fails when a test is
# lost, that is when it passes without and not with.
#
#	run.sh [DRIVER...]      mysql pq pgx sqlite; default: mysql pq pgx
#
# The servers are those of SLUICE_TEST_POSTGRES_URL and SLUICE_TEST_MYSQL_URL. A
# test that passes in neither run is not looked at: what a server lacks (TLS, a
# role, an extension) it lacks in both. A test that was lost gets one more chance,
# as some depend on how fast the machine is.
#
# The sources are those of the module cache, in a copy. In the copy all databases
# are opened under watch, and the layer is taken off where a test, or an exported
# function of the driver, asserts the driver's own type on a connection; nothing
# else is changed. mysql and pq and pgx have their driver registered under watch.
# sqlite compares DB.Driver() with its own, and has no connectors: database/sql
# gives what was registered, so its databases are opened with Monitor.Open.
set -euo pipefail
cd "$(dirname "$0")"
repo=$(cd ../.. && pwd)
work=$(mktemp -d)
database=sluice_drivers_$$
trap 'go run ./servers drop "$database" >/dev/null || true; chmod -R u+w "$work"; rm -rf "$work"' EXIT

: "${SLUICE_TEST_POSTGRES_URL:?}" "${SLUICE_TEST_MYSQL_URL:?}"
go run ./servers create "$database" >"$work/env"
# shellcheck disable=SC1091
. "$work/env"

# helpers PACKAGE: functions that the changed lines call.
helpers() {
	cat <<-GO
		package $1

		import (
			"database/sql"
			"database/sql/driver"
			"log/slog"

			"github.com/sluice-go/sluice/dbmon"
		)

		var sluiceMonitor, _ = dbmon.New(dbmon.Options{Logger: slog.New(slog.DiscardHandler)})

		func sluiceDriver(d driver.Driver) driver.Driver          { return sluiceMonitor.WrapDriver(d) }
		func sluiceConnector(c driver.Connector) driver.Connector { return sluiceMonitor.WrapConnector(c) }
		func sluiceOpen(name, dsn string) (*sql.DB, error)        { return sluiceMonitor.Open(name, dsn) }
		func sluiceRaw(v any) any                                 { return dbmon.Raw(v) }
	GO
}

# copy MODULE@VERSION FOLDER PACKAGE NAME: the bare copy and the watched one.
copy() {
	local source
	source=$(go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
	for way in bare watched; do
		cp -r "$source" "$work/$4.$way"
		chmod -R u+w "$work/$4.$way"
	done
	cd "$work/$4.watched"
	go mod edit -require github.com/sluice-go/sluice@v0.0.0 -replace "github.com/sluice-go/sluice=$repo"
	cd "$2"
	helpers "$3" >sluice.go
	helpers "$3_test" >sluice_external_test.go
	sed -i -E 's/sql\.OpenDB\((\w+)\)/sql.OpenDB(sluiceConnector(\1))/' ./*.go
}

registered() { sed -i -E 's/^(\s*)sql\.Register\(([^,]+), (.+)\)$/\1sql.Register(\2, sluiceDriver(\3))/' ./*.go; }

# suite NAME LEAST FOLDER FLAG...: runs both and compares. Where fewer tests pass
# than the least, the suite has not met its server.
suite() {
	local name=$1 least=$2 folder=$3 lost
	shift 3
	passed "$name" bare "$folder" "$@"
	passed "$name" watched "$folder" "$@"
	lost=$(comm -23 "$work/$name.bare.passed" "$work/$name.watched.passed")
	if [ -n "$lost" ]; then
		mv "$work/$name.watched.passed" "$work/$name.first"
		passed "$name" watched "$folder" "$@"
		sort -u -o "$work/$name.watched.passed" "$work/$name.watched.passed" "$work/$name.first"
		lost=$(comm -23 "$work/$name.bare.passed" "$work/$name.watched.passed")
	fi
	printf '%s: %s tests pass without dbmon, %s with it, %s lost\n' "$name" "$(wc -l <"$work/$name.bare.passed")" \
		"$(wc -l <"$work/$name.watched.passed")" "$(printf '%s' "$lost" | grep -c . || true)"
	if [ "$(wc -l <"$work/$name.bare.passed")" -lt "$least" ] || grep -q '^panic: ' "$work/$name.bare.log"; then
		echo "$name: the suite did not run to its end"
		tail -n 40 "$work/$name.bare.log"
		failed=1
	fi
	if [ -n "$lost" ]; then
		printf '%s\n' "$lost"
		tail -n 20 "$work/$name.watched.log"
		failed=1
	fi
}

# passed NAME WAY FOLDER FLAG...: writes which tests pass. Suites do fail, for what
# the servers lack.
passed() {
	local log=$work/$1.$2.log
	(cd "$work/$1.$2/$3" && go test -mod=mod -vet=off -count=1 -v -timeout 170s "${@:4}" . >"$log" 2>&1) || true
	sed -n -E 's/^ *--- PASS: (.*) \(.*\)$/\1/p' "$log" | sort -u >"$work/$1.$2.passed"
}

failed=0
[ $# -gt 0 ] || set -- mysql pq pgx
for name in "$@"; do
	case $name in
	mysql)
		(
			copy github.com/go-sql-driver/mysql@v1.10.1 . mysql mysql
			registered
			sed -i 's/conn\.(\*mysqlConn)/sluiceRaw(conn).(*mysqlConn)/' ./*_test.go
		)
		# It wants a host that does not answer.
		suite mysql 300 . -skip '^TestConnectorReturnsTimeout$'
		;;
	pq)
		(copy github.com/lib/pq@v1.12.3 . pq pq && registered)
		suite pq 500 .
		;;
	pgx)
		(
			copy github.com/jackc/pgx/v5@v5.12.0 stdlib stdlib pgx
			registered
			sed -i 's/driverConn\.(\*stdlib\.Conn)/sluiceRaw(driverConn).(*stdlib.Conn)/' ./*_test.go
		)
		suite pgx 150 stdlib
		;;
	sqlite)
		(
			copy modernc.org/sqlite@v1.61.1 . sqlite sqlite
			for file in $(grep -l 'sql\.Open(' ./*_test.go); do
				sed -i 's/sql\.Open(/sluiceOpen(/' "$file"
				echo 'var _ sql.DB // the import may have no other use' >>"$file"
			done
			sed -i -E '/^\s*\/\// !s/\.Raw\(func\((\w+) (any|interface\{\})\) error \{/&\n\1 = sluiceRaw(\1)\n/' ./*.go
		)
		# These two take 200 seconds each.
		suite sqlite 400 . -skip 'TestRegisteredFunctions/(Query|Exec)Context_with_context_expiring'
		;;
	*)
		echo "unknown driver: $name" >&2
		exit 2
		;;
	esac
done
exit "$failed"
