package sqlstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

// operations are those that every kind of thing has.
type operations[T any] struct {
	create func(context.Context, T) (T, error)
	get    func(context.Context, int64) (T, error)
	update func(context.Context, T) (T, error)
	remove func(context.Context, int64, int64) error
	list   func(context.Context, app.PageRequest) (app.Page[T], error)

	value  T                // to create
	change func(*T)         // what a client may change
	common func(*T) *common // of a T
}

// common points at what the store alone sets.
type common struct {
	id, version      *int64
	created, updated *time.Time
}

func TestEveryKindKeepsTheRulesOfThePorts(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u := newUser(t, s, "rule-maker")
		project := newProject(t, s, u.ID)
		ticket := newTicket(t, s, project.ID)
		due := time.Date(2030, 1, 2, 3, 4, 5, 678901000, time.UTC)

		t.Run("messages", func(t *testing.T) {
			checkRules(t, operations[app.Message]{s.CreateMessage, s.GetMessage, s.UpdateMessage, s.DeleteMessage,
				func(ctx context.Context, p app.PageRequest) (app.Page[app.Message], error) {
					return s.ListMessages(ctx, app.MessageFilter{}, p)
				},
				app.Message{Username: "ann", Type: "text", Body: "hello"},
				func(m *app.Message) { m.Username, m.Type, m.Body = "bob", "system", "bye" },
				func(m *app.Message) *common { return &common{&m.ID, &m.Version, &m.CreatedAt, &m.UpdatedAt} }})
		})
		t.Run("projects", func(t *testing.T) {
			checkRules(t, operations[app.Project]{s.CreateProject, s.GetProject, s.UpdateProject, s.DeleteProject,
				func(ctx context.Context, p app.PageRequest) (app.Page[app.Project], error) {
					return s.ListProjects(ctx, app.ProjectFilter{}, p)
				},
				app.Project{Name: "one", Status: "active", OwnerID: u.ID},
				func(p *app.Project) { p.Name, p.Status = "two", "archived" },
				func(p *app.Project) *common { return &common{&p.ID, &p.Version, &p.CreatedAt, &p.UpdatedAt} }})
		})
		t.Run("tickets", func(t *testing.T) {
			checkRules(t, operations[app.Ticket]{s.CreateTicket, s.GetTicket, s.UpdateTicket, s.DeleteTicket,
				func(ctx context.Context, p app.PageRequest) (app.Page[app.Ticket], error) {
					return s.ListTickets(ctx, app.TicketFilter{}, p)
				},
				app.Ticket{ProjectID: project.ID, Title: "one", Description: "long", Status: "open", Priority: "low",
					AssignedTo: &u.ID, DueDate: &due},
				func(v *app.Ticket) {
					v.Title, v.Description, v.Status, v.Priority = "two", "", "done", "urgent"
					v.AssignedTo, v.DueDate = nil, nil
				},
				func(v *app.Ticket) *common { return &common{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt} }})
		})
		t.Run("files", func(t *testing.T) {
			checkRules(t, operations[app.File]{s.CreateFile, s.GetFile, s.UpdateFile,
				func(ctx context.Context, id, version int64) error {
					gone, err := s.DeleteFile(ctx, id, version)
					if err == nil {
						require.Equal(t, "k", gone.Blob)
					}
					return err
				},
				func(ctx context.Context, p app.PageRequest) (app.Page[app.File], error) {
					return s.ListFiles(ctx, app.FileFilter{}, p)
				},
				app.File{ProjectID: &project.ID, Name: "one", FileType: "text/plain", Size: 1 << 40,
					SHA256: "ab", Blob: "k", UploadedBy: u.ID},
				func(f *app.File) { f.Name, f.ProjectID, f.TicketID = "two", nil, &ticket.ID },
				func(f *app.File) *common { return &common{&f.ID, &f.Version, &f.CreatedAt, &f.UpdatedAt} }})
		})
		t.Run("users", func(t *testing.T) {
			checkRules(t, operations[app.User]{s.CreateUser, s.GetUser, s.UpdateUser, s.DeleteUser,
				func(ctx context.Context, p app.PageRequest) (app.Page[app.User], error) {
					return s.ListUsers(ctx, app.UserFilter{}, p)
				},
				app.User{Username: "carl", Role: app.RoleAuthenticated, PasswordHash: "h1"},
				func(u *app.User) { u.Username, u.Role, u.PasswordHash = "carla", app.RoleAdmin, "h2" },
				func(u *app.User) *common { return &common{&u.ID, &u.Version, &u.CreatedAt, &u.UpdatedAt} }})
		})
	})
}

func checkRules[T any](t *testing.T, o operations[T]) {
	ctx := t.Context()
	const unknown = int64(1) << 40

	before := time.Now().Truncate(time.Microsecond)
	created, err := o.create(ctx, o.value)
	require.NoError(t, err)
	c := o.common(&created)
	require.Positive(t, *c.id)
	require.EqualValues(t, 1, *c.version)
	require.Equal(t, *c.created, *c.updated)
	require.Equal(t, time.UTC, c.created.Location())
	require.WithinRange(t, *c.created, before, time.Now())
	require.Zero(t, c.created.Nanosecond()%1000, "whole microseconds")

	want := o.value
	w := o.common(&want)
	*w.id, *w.version, *w.created, *w.updated = *c.id, *c.version, *c.created, *c.updated
	require.Equal(t, want, created, "what a client chose is stored as it was")
	got, err := o.get(ctx, *c.id)
	require.NoError(t, err)
	require.Equal(t, created, got, "get returns what create returned")

	changed := created
	o.change(&changed)
	ch := o.common(&changed)
	*ch.created = ch.created.AddDate(-1, 0, 0) // not a client's to choose
	updated, err := o.update(ctx, changed)
	require.NoError(t, err)
	n := o.common(&updated)
	require.EqualValues(t, 2, *n.version)
	require.Equal(t, *c.created, *n.created, "the creation stays")
	require.False(t, n.updated.Before(*c.updated))
	require.WithinRange(t, *n.updated, before, time.Now())
	*ch.version, *ch.created, *ch.updated = *n.version, *n.created, *n.updated
	require.Equal(t, changed, updated, "all of the change is stored")
	got, err = o.get(ctx, *c.id)
	require.NoError(t, err)
	require.Equal(t, updated, got, "get returns what update returned")

	_, err = o.update(ctx, created) // still of version 1
	requireCode(t, app.CodePrecondition, err)
	requireCode(t, app.CodePrecondition, o.remove(ctx, *c.id, 1))
	requireCode(t, app.CodePrecondition, o.remove(ctx, *c.id, unknown))
	got, err = o.get(ctx, *c.id)
	require.NoError(t, err)
	require.Equal(t, updated, got, "a refused change changes nothing")

	anyVersion := updated
	*o.common(&anyVersion).version = 0
	third, err := o.update(ctx, anyVersion)
	require.NoError(t, err)
	require.EqualValues(t, 3, *o.common(&third).version)

	_, err = o.get(ctx, unknown)
	requireCode(t, app.CodeNotFound, err)
	requireCode(t, app.CodeNotFound, o.remove(ctx, unknown, 0))
	requireCode(t, app.CodeNotFound, o.remove(ctx, unknown, 1))
	*o.common(&anyVersion).id = unknown
	_, err = o.update(ctx, anyVersion)
	requireCode(t, app.CodeNotFound, err)

	page, err := o.list(ctx, app.PageRequest{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, []T{third}, page.Items, "the newest comes first")

	require.NoError(t, o.remove(ctx, *c.id, 3))
	_, err = o.get(ctx, *c.id)
	requireCode(t, app.CodeNotFound, err)
	requireCode(t, app.CodeNotFound, o.remove(ctx, *c.id, 3))

	again, err := o.create(ctx, o.value)
	require.NoError(t, err)
	require.Greater(t, *o.common(&again).id, *c.id, "an id never comes back")
	require.NoError(t, o.remove(ctx, *o.common(&again).id, 0))
}

func TestAFileKeepsItsBytesThroughAnUpdate(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u, other := newUser(t, s, "ann"), newUser(t, s, "bob")
		f := newFile(t, s, newTicket(t, s, newProject(t, s, u.ID).ID).ID, u.ID)
		forged := f
		forged.Name = "renamed"
		forged.FileType, forged.Size, forged.SHA256, forged.Blob, forged.UploadedBy = "text/html", 9, "ff", "other", other.ID
		got, err := s.UpdateFile(t.Context(), forged)
		require.NoError(t, err)
		f.Name, f.Version, f.UpdatedAt = "renamed", 2, got.UpdatedAt
		require.Equal(t, f, got)
	})
}

func TestTextsComeBackAsTheyWere(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		for _, text := range []string{
			`it's "quoted" \ and -- not; DROP TABLE users`, "100% of _all_ [a-z]* (x|y)+ ?", "emoji 👩‍👩‍👧 and a\u0301",
			"line\nline\r\n\ttab", "$1 ? :name @name", "ΑΒΓ ß İ ı ﬁ", "  spaces around  ",
		} {
			m := newMessage(t, s, "text", text)
			got, err := s.GetMessage(t.Context(), m.ID)
			require.NoError(t, err)
			require.Equal(t, text, got.Body)
		}
	})
}

func TestInstantsComeBackInUTCToTheMicrosecond(t *testing.T) {
	east := time.FixedZone("east", 14*3600)
	for name, due := range map[string]time.Time{
		"in another zone":               time.Date(2026, 1, 1, 1, 0, 0, 1000, east),
		"with nanoseconds":              time.Date(2026, 6, 1, 12, 0, 0, 123456789, time.UTC),
		"the first one":                 time.Unix(0, 0).UTC(),
		"the last one":                  time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC),
		"in the hour that comes twice":  time.Date(2026, 10, 25, 2, 30, 0, 0, time.FixedZone("CET", 3600)),
		"with a monotonic clock inside": time.Now(),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *sqlstore.Store) {
				v := newTicket(t, s, newProject(t, s, newUser(t, s, "ann").ID).ID)
				v.DueDate = &due
				_, err := s.UpdateTicket(t.Context(), v)
				require.NoError(t, err)
				v, err = s.GetTicket(t.Context(), v.ID)
				require.NoError(t, err)
				require.Equal(t, due.UTC().Truncate(time.Microsecond), *v.DueDate)
			})
		})
	}
}
