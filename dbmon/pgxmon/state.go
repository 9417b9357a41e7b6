package pgxmon

import (
	"context"
	"database/sql/driver"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sluice-go/sluice/dbmon"
)

// state is what is known of a connection. It lives as long as the connection
// does, in the map that pgx has for such data.
type state struct {
	*dbmon.Conn
	texts map[string]string // of statements, by the name that they run by
}

// maxNames bounds the statements that are known by name.
const maxNames = 1024

func (t *Tracer) state(conn *pgx.Conn) *state {
	data := conn.PgConn().CustomData()
	s, ok := data[t.key].(*state)
	if !ok {
		s = &state{Conn: t.src.NewConn(plans{conn})}
		data[t.key] = s
	}
	return s
}

// prepared is told of a statement. Those of the cache are asked for by their text.
func (s *state) prepared(name, sql string) {
	if name == "" || name == sql || strings.HasPrefix(name, "stmtcache_") {
		return
	}
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	if _, known := s.texts[name]; known || len(s.texts) < maxNames {
		s.texts[name] = sql
	}
}

// statement returns what will be run, without the options that pgx takes as
// arguments. A rewriter of the application's own is not asked: it may count.
func (s *state) statement(ctx context.Context, conn *pgx.Conn, sql string, args []any) (string, []any) {
	if text, found := s.texts[sql]; found {
		sql = text
	}
	for len(args) > 0 {
		switch arg := args[0].(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			args = args[1:]
		case pgx.NamedArgs:
			return rewritten(ctx, conn, arg, sql, args[1:])
		case pgx.StrictNamedArgs:
			return rewritten(ctx, conn, arg, sql, args[1:])
		default:
			return sql, args
		}
	}
	return sql, nil
}

func rewritten(ctx context.Context, conn *pgx.Conn, r pgx.QueryRewriter, sql string, args []any) (string, []any) {
	text, values, err := r.RewriteQuery(ctx, conn, sql, args)
	if err != nil {
		return sql, nil // and pgx returns the error
	}
	return text, values
}

// plans opens connections like the one it has, for plans, without the tracer and
// without what else the application is told.
type plans struct{ conn *pgx.Conn }

func (p plans) Connect(ctx context.Context) (driver.Conn, error) {
	config := p.conn.Config()
	config.Tracer, config.OnNotice, config.OnNotification = nil, nil, nil
	return stdlib.GetConnector(*config).Connect(ctx)
}

func (p plans) Driver() driver.Driver { return stdlib.GetDefaultDriver() }
