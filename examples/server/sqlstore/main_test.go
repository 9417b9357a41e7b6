package sqlstore_test

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/migrations"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs f on an empty database of every kind.
func each(t *testing.T, f func(t *testing.T, s *sqlstore.Store)) {
	t.Helper()
	eachPlace(t, func(t *testing.T, place sqlstore.Options) { f(t, open(t, place)) })
}

// eachPlace runs f with the place of a database of every kind that is not there
// or empty.
func eachPlace(t *testing.T, f func(t *testing.T, place sqlstore.Options)) {
	t.Helper()
	t.Run(migrations.SQLite, func(t *testing.T) {
		f(t, sqlstore.Options{File: filepath.Join(t.TempDir(), "app.db")})
	})
	t.Run(migrations.Postgres, func(t *testing.T) { f(t, sqlstore.Options{URL: postgresURL(t)}) })
}

// postgresURL returns the URL of a new schema, which goes with the test.
func postgresURL(t *testing.T) string {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	db, err := sql.Open("pgx", server)
	require.NoError(t, err)
	schema := "test_" + strings.ToLower(rand.Text())
	_, err = db.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	})
	options := u.Query()
	options.Set("search_path", schema)
	u.RawQuery = options.Encode()
	return u.String()
}

func open(t *testing.T, place sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// requireCode fails the test unless err is an app.Error of the given kind, which it
// returns.
func requireCode(t *testing.T, code app.Code, err error) *app.Error {
	t.Helper()
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Message)
	return e
}

// requireFields fails the test unless err is CodeInvalid and names these fields.
func requireFields(t *testing.T, err error, fields ...string) {
	t.Helper()
	e := requireCode(t, app.CodeInvalid, err)
	require.Len(t, e.Fields, len(fields))
	for _, field := range fields {
		require.Contains(t, e.Fields, field)
	}
}

func newUser(t *testing.T, s *sqlstore.Store, name string) app.User {
	t.Helper()
	u, err := s.CreateUser(t.Context(), app.User{Username: name, Role: app.RoleAuthenticated, PasswordHash: "hash of " + name})
	require.NoError(t, err)
	return u
}

func newProject(t *testing.T, s *sqlstore.Store, owner int64) app.Project {
	t.Helper()
	p, err := s.CreateProject(t.Context(), app.Project{Name: "a project", Status: "active", OwnerID: owner})
	require.NoError(t, err)
	return p
}

func newTicket(t *testing.T, s *sqlstore.Store, project int64) app.Ticket {
	t.Helper()
	v, err := s.CreateTicket(t.Context(), app.Ticket{ProjectID: project, Title: "a ticket", Status: "open", Priority: "normal"})
	require.NoError(t, err)
	return v
}

func newFile(t *testing.T, s *sqlstore.Store, ticket, uploader int64) app.File {
	t.Helper()
	f, err := s.CreateFile(t.Context(), app.File{TicketID: &ticket, Name: "a file", FileType: "text/plain", Size: 3,
		SHA256: strings.Repeat("0", 64), Blob: "key", UploadedBy: uploader})
	require.NoError(t, err)
	return f
}

func newMessage(t *testing.T, s *sqlstore.Store, kind, body string) app.Message {
	t.Helper()
	m, err := s.CreateMessage(t.Context(), app.Message{Username: "ann", Type: kind, Body: body})
	require.NoError(t, err)
	return m
}

// bodies lists what a list of messages says.
func bodies(messages []app.Message) []string {
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = m.Body
	}
	return texts
}
