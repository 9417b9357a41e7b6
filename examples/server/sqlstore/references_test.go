package sqlstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

func TestAReferenceToNothingIsInvalidAndNamed(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		u := newUser(t, s, "ann")
		project := newProject(t, s, u.ID)
		ticket := newTicket(t, s, project.ID)
		file := newFile(t, s, ticket.ID, u.ID)
		none := int64(1) << 40

		_, err := s.CreateProject(ctx, app.Project{Name: "p", Status: "active", OwnerID: none})
		requireFields(t, err, "owner_id")
		require.Equal(t, "some fields are not valid", err.(*app.Error).Message)
		_, err = s.CreateTicket(ctx, app.Ticket{ProjectID: none, Title: "t", Status: "open", Priority: "low"})
		requireFields(t, err, "project_id")
		_, err = s.CreateTicket(ctx, app.Ticket{ProjectID: project.ID, Title: "t", Status: "open", Priority: "low", AssignedTo: &none})
		requireFields(t, err, "assigned_to")
		_, err = s.CreateTicket(ctx, app.Ticket{ProjectID: none, Title: "t", Status: "open", Priority: "low", AssignedTo: &none})
		requireFields(t, err, "project_id", "assigned_to")
		_, err = s.CreateFile(ctx, app.File{ProjectID: &none, Name: "f", UploadedBy: u.ID})
		requireFields(t, err, "project_id")
		_, err = s.CreateFile(ctx, app.File{ProjectID: &project.ID, TicketID: &none, Name: "f", UploadedBy: none})
		requireFields(t, err, "ticket_id", "uploaded_by")
		requireFields(t, s.CreateToken(ctx, []byte("hash"), none, project.CreatedAt), "user_id")

		changedProject := project
		changedProject.OwnerID = none
		_, err = s.UpdateProject(ctx, changedProject)
		requireFields(t, err, "owner_id")
		changedTicket := ticket
		changedTicket.AssignedTo = &none
		_, err = s.UpdateTicket(ctx, changedTicket)
		requireFields(t, err, "assigned_to")
		changedFile := file
		changedFile.TicketID = &none
		_, err = s.UpdateFile(ctx, changedFile)
		requireFields(t, err, "ticket_id")

		// What was refused left no trace.
		gotProject, err := s.GetProject(ctx, project.ID)
		require.NoError(t, err)
		require.Equal(t, project, gotProject)
		projects, err := s.ListProjects(ctx, app.ProjectFilter{}, app.PageRequest{})
		require.NoError(t, err)
		require.Equal(t, []app.Project{project}, projects.Items)
		tickets, err := s.ListTickets(ctx, app.TicketFilter{}, app.PageRequest{})
		require.NoError(t, err)
		require.Equal(t, []app.Ticket{ticket}, tickets.Items)
		files, err := s.ListFiles(ctx, app.FileFilter{}, app.PageRequest{})
		require.NoError(t, err)
		require.Equal(t, []app.File{file}, files.Items)
	})
}

func TestARowStillReferredToIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		owner, uploader, assignee := newUser(t, s, "owner"), newUser(t, s, "uploader"), newUser(t, s, "assignee")
		project := newProject(t, s, owner.ID)
		ticket := newTicket(t, s, project.ID)
		ticket.AssignedTo = &assignee.ID
		ticket, err := s.UpdateTicket(ctx, ticket)
		require.NoError(t, err)
		file := newFile(t, s, ticket.ID, uploader.ID)

		for _, u := range []app.User{owner, uploader, assignee} {
			requireCode(t, app.CodeConflict, s.DeleteUser(ctx, u.ID, 0))
			got, err := s.GetUser(ctx, u.ID)
			require.NoError(t, err)
			require.Equal(t, u, got)
		}
		requireCode(t, app.CodeConflict, s.DeleteProject(ctx, project.ID, 1))
		requireCode(t, app.CodeConflict, s.DeleteTicket(ctx, ticket.ID, 2))
		// Another version is told first: the caller does not know the present state.
		requireCode(t, app.CodePrecondition, s.DeleteTicket(ctx, ticket.ID, 1))

		_, err = s.DeleteFile(ctx, file.ID, 1)
		require.NoError(t, err)
		require.NoError(t, s.DeleteTicket(ctx, ticket.ID, 2))
		require.NoError(t, s.DeleteProject(ctx, project.ID, 1))
		for _, u := range []app.User{owner, uploader, assignee} {
			require.NoError(t, s.DeleteUser(ctx, u.ID, 1))
		}
	})
}

func TestAMessageOutlivesItsAuthor(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u := newUser(t, s, "ann")
		m := newMessage(t, s, "text", "still here")
		require.NoError(t, s.DeleteUser(t.Context(), u.ID, 0))
		got, err := s.GetMessage(t.Context(), m.ID)
		require.NoError(t, err)
		require.Equal(t, m, got)
	})
}
