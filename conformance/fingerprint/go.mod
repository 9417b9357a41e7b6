// Its path lies under dbmon, so that it may import dbmon's internal packages. It
// is a module of its own since it needs cgo.
module github.com/sluice-go/sluice/dbmon/conformance

go 1.26.0

replace github.com/sluice-go/sluice => ../../

require (
	github.com/pganalyze/pg_query_go/v6 v6.2.5
	github.com/sluice-go/sluice v0.0.0
	github.com/stretchr/testify v1.12.1
)

require (
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
