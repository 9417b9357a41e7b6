package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

// statement is what the server sent to the database.
type statement struct {
	text string
	args []driver.NamedValue
}

// recorder opens connections that note what is asked of them.
type recorder struct {
	mu   sync.Mutex
	sent []statement
}

func (r *recorder) open(name, dsn string) (*sql.DB, error) {
	db, err := sql.Open(name, dsn)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return sql.OpenDB(recording{r, db.Driver(), dsn}), nil
}

type recording struct {
	r   *recorder
	d   driver.Driver
	dsn string
}

func (c recording) Driver() driver.Driver { return c.d }

func (c recording) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.d.Open(c.dsn)
	return recordingConn{conn, c.r}, err
}

// recordingConn has what both drivers have and the server needs.
type recordingConn struct {
	driver.Conn
	r *recorder
}

func (c recordingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.mu.Lock()
	c.r.sent = append(c.r.sent, statement{text, args})
	c.r.mu.Unlock()
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
}

func (c recordingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
}

func (c recordingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c recordingConn) CheckNamedValue(v *driver.NamedValue) error {
	if n, ok := c.Conn.(driver.NamedValueChecker); ok {
		return n.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// list is one of the server's, with the index that it is to use.
type list struct {
	index string
	page  func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error
}

var lists = []list{
	{"idx_messages_created_at", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListMessages(ctx, app.MessageFilter{}, p))
	}},
	{"idx_messages_username_created_at", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListMessages(ctx, app.MessageFilter{Username: "user 7"}, p))
	}},
	{"idx_messages_type", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListMessages(ctx, app.MessageFilter{Type: "system"}, p))
	}},
	{"idx_projects_status_created_at", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListProjects(ctx, app.ProjectFilter{Status: "paused"}, p))
	}},
	{"idx_projects_owner_id", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListProjects(ctx, app.ProjectFilter{OwnerID: 7}, p))
	}},
	{"idx_tickets_project_id_status", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListTickets(ctx, app.TicketFilter{ProjectID: 7, Status: "open"}, p))
	}},
	{"idx_tickets_project_id_status", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListTickets(ctx, app.TicketFilter{ProjectID: 7}, p))
	}},
	{"idx_tickets_assigned_to", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListTickets(ctx, app.TicketFilter{AssignedTo: 7}, p))
	}},
	{"idx_tickets_priority_status", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListTickets(ctx, app.TicketFilter{Priority: "urgent", Status: "open"}, p))
	}},
	{"idx_tickets_due_date", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListTickets(ctx, app.TicketFilter{DueBefore: epoch.Add(20 * time.Second)}, p))
	}},
	{"idx_files_project_id", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListFiles(ctx, app.FileFilter{ProjectID: 7}, p))
	}},
	{"idx_files_ticket_id", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListFiles(ctx, app.FileFilter{TicketID: 7}, p))
	}},
	{"idx_files_file_type", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListFiles(ctx, app.FileFilter{FileType: "image/png"}, p))
	}},
	{"", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListUsers(ctx, app.UserFilter{Username: "user 7"}, p))
	}},
	{"idx_users_role", func(ctx context.Context, s *sqlstore.Store, p app.PageRequest) error {
		return second(s.ListUsers(ctx, app.UserFilter{Role: app.RoleAdmin}, p))
	}},
}

// name is the constraint's own for names of users, which differs.
func (l list) name(system string) string {
	if l.index == "" {
		return map[string]string{onSQLite: "sqlite_autoindex_users_1", onPostgres: "users_username_key"}[system]
	}
	return l.index
}

func second[T any](_ T, err error) error { return err }

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Each list of the server, as the server itself sends it, the first page and a
// later one: before, no index of ours can be in its plan; after, its own is.
func TestTheListsOfTheServerUseTheIndexes(t *testing.T) {
	for _, system := range []string{onSQLite, onPostgres} {
		t.Run(system, func(t *testing.T) {
			p := emptyPlace(t, system)
			var r recorder
			o := sqlstore.Options{OpenDB: r.open, URL: p.url}
			if system == onSQLite {
				o = sqlstore.Options{OpenDB: r.open, File: strings.TrimPrefix(p.url, "sqlite:")}
			}
			s, err := sqlstore.Open(t.Context(), o)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.Close()) }()
			for _, statement := range crowd(system) {
				_, err := s.DB().Exec(statement)
				require.NoError(t, err, statement)
			}
			pages := []app.PageRequest{{Limit: 20}, {Limit: 20, After: app.Cursor{CreatedAt: epoch.Add(3000 * time.Second), ID: 3000}}}
			before := map[string]string{}
			for round := range 2 {
				for i, list := range lists {
					for j, page := range pages {
						r.sent = nil
						require.NoError(t, list.page(t.Context(), s, page))
						require.Len(t, r.sent, 1)
						plan := explainPlan(t, s.DB(), system, r.sent[0])
						key := fmt.Sprint(i, j)
						switch {
						case round == 0:
							require.NotContains(t, plan, "idx_")
							before[key] = plan
						case !strings.Contains(plan, list.name(system)):
							t.Errorf("%s\nwants %s, but is planned:\n%s\nbefore:\n%s", r.sent[0].text, list.name(system), plan, before[key])
						case j == 0:
							t.Logf("%s\nbefore: %safter:  %s", r.sent[0].text, before[key], plan)
						}
					}
				}
				if round == 0 {
					p.migrate(t, "create").requireCode(t, exitDone)
				}
			}
		})
	}
}

// crowd fills the tables as a server of some age has them: few of the messages
// are the system's, few tickets are due, most tickets are done.
func crowd(system string) []string {
	at := func(n string) string {
		return map[string]string{onSQLite: "1767225600000000 + 1000000 * (" + n + ")",
			onPostgres: "timestamptz '2026-01-01 00:00:00Z' + (" + n + ") * interval '1 s'"}[system]
	}
	rows := func(n int) string {
		if system == onSQLite {
			n /= 5 // which takes long under the race detector, being written in Go
		}
		if system == onPostgres {
			return fmt.Sprintf("generate_series(1, %d) g (n)", n)
		}
		return fmt.Sprintf("(WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g)", n)
	}
	into := func(table, columns, values string, n int) string {
		return fmt.Sprintf("INSERT INTO %s (%s, created_at, updated_at, version) SELECT %s, %s, %s, 1 FROM %s", table, columns, values, at("n"), at("n"), rows(n))
	}
	return []string{
		into("users", "username, role, password_hash", "'user ' || n, CASE WHEN n % 1000 = 0 THEN 'admin' ELSE 'public' END, ''", 20000),
		into("messages", "username, type, body", "'user ' || n % 500, CASE WHEN n % 3000 = 0 THEN 'system' ELSE 'text' END, 'some words that somebody said'", 30000),
		into("projects", "name, status, owner_id", "'project', CASE WHEN n % 200 = 0 THEN 'paused' ELSE 'active' END, 1 + n % 2000", 20000),
		into("tickets", "project_id, title, description, status, priority, assigned_to, due_date",
			"1 + n % 2000, 'title', 'text', CASE WHEN n % 50 < 2 THEN 'open' ELSE 'done' END, CASE WHEN n % 40 = 0 THEN 'urgent' ELSE 'low' END, 1 + n % 2000, "+at("n"), 30000),
		into("files", "project_id, ticket_id, name, file_type, size, sha256, blob, uploaded_by",
			"1 + n % 2000, 1 + n % 3000, 'file', CASE WHEN n % 500 = 0 THEN 'image/png' ELSE 'text/plain' END, 1, '', '', 1", 30000),
		"ANALYZE",
	}
}

// explainPlan plans a statement with the very arguments that the server sent.
func explainPlan(t *testing.T, db *sql.DB, system string, s statement) string {
	t.Helper()
	args := make([]any, len(s.args))
	for i, a := range s.args {
		args[i] = a.Value
	}
	if system == onPostgres {
		var plan []byte
		require.NoError(t, db.QueryRow("EXPLAIN (FORMAT JSON) "+s.text, args...).Scan(&plan))
		var nodes any
		require.NoError(t, json.Unmarshal(plan, &nodes))
		return strings.Join(planNodes(nodes), " <- ") + "\n"
	}
	rows, err := db.Query("EXPLAIN QUERY PLAN "+s.text, args...)
	require.NoError(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		fmt.Fprintln(&plan, detail)
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

func planNodes(v any) (nodes []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			nodes = append(nodes, planNodes(e)...)
		}
	case map[string]any:
		if kind, ok := v["Node Type"].(string); ok {
			node := kind
			if name, ok := v["Index Name"].(string); ok {
				node += " using " + name
			}
			nodes = append(nodes, node)
		}
		nodes = append(nodes, planNodes(v["Plan"])...)
		nodes = append(nodes, planNodes(v["Plans"])...)
	}
	return nodes
}
