package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/httpapi"
)

// seed makes an empty database useful: an administrator everywhere, and in
// development something for every endpoint to answer with. Of several servers
// that start together, the one that makes the first account makes the rest.
func (s *server) seed(ctx context.Context, library *app.Library, stdout io.Writer) error {
	users, err := s.store.ListUsers(ctx, app.UserFilter{}, app.PageRequest{Limit: 1})
	if err != nil || len(users.Items) > 0 {
		return err
	}
	password := cmp.Or(s.cfg.adminPassword, rand.Text())
	hash, err := httpapi.HashPassword(password)
	if err != nil {
		return err
	}
	admin, err := s.store.CreateUser(ctx, app.User{Username: "admin", Role: app.RoleAdmin, PasswordHash: hash})
	if e, ok := errors.AsType[*app.Error](err); ok && e.Code == app.CodeConflict {
		return nil
	}
	if err != nil {
		return err
	}
	s.announceLogin(stdout, password)
	if s.cfg.env != development {
		return nil
	}
	if err := s.seedExamples(ctx, library, admin, hash); err != nil {
		return fmt.Errorf("server: making demonstration data: %w", err)
	}
	return nil
}

// announceLogin tells a random password as soon as it holds, whatever happens
// next: nobody could find it out later.
func (s *server) announceLogin(stdout io.Writer, password string) {
	who := `user "admin"`
	if s.cfg.env == development {
		who = `users "admin", "grace" and "edsger"`
	}
	if s.cfg.adminPassword != "" {
		password = "as in ADMIN_PASSWORD"
	}
	_, _ = fmt.Fprintf(stdout, "first start: made %s, password %s\n", who, password)
}

func (s *server) seedExamples(ctx context.Context, library *app.Library, admin app.User, hash string) error {
	grace, err := s.store.CreateUser(ctx, app.User{Username: "grace", Role: app.RoleAuthenticated, PasswordHash: hash})
	if err != nil {
		return err
	}
	edsger, err := s.store.CreateUser(ctx, app.User{Username: "edsger", Role: app.RolePublic, PasswordHash: hash})
	if err != nil {
		return err
	}
	for _, line := range chatLines {
		author, body, _ := strings.Cut(line, ": ")
		if _, err := s.store.CreateMessage(ctx, app.Message{Username: author, Type: "text", Body: body}); err != nil {
			return err
		}
	}
	owners := []int64{grace.ID, admin.ID, edsger.ID}
	for i, name := range []string{"Water gate", "Night shift", "Archive"} {
		status := []string{"active", "paused", "archived"}[i]
		project, err := s.store.CreateProject(ctx, app.Project{Name: name, Status: status, OwnerID: owners[i]})
		if err != nil {
			return err
		}
		if err := s.seedTickets(ctx, project, owners); err != nil {
			return err
		}
		text := strings.NewReader("Notes on " + name + ".\nAn uploaded file can be read in ranges.\n")
		file := app.File{ProjectID: &project.ID, Name: "notes.txt", UploadedBy: owners[i]}
		if _, err := library.Add(ctx, file, text); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) seedTickets(ctx context.Context, p app.Project, people []int64) error {
	priorities := []string{"low", "normal", "high", "urgent"}
	statuses := []string{"open", "in_progress", "done"}
	for i, title := range ticketTitles {
		t := app.Ticket{
			ProjectID: p.ID, Title: title, Description: "Part of " + p.Name + ".",
			Status: statuses[i%len(statuses)], Priority: priorities[i%len(priorities)],
		}
		if i%3 != 0 { // some tickets are nobody's, some have no date
			t.AssignedTo = &people[i%len(people)]
		}
		if i%2 == 0 {
			due := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 3*(i+1))
			t.DueDate = &due
		}
		if _, err := s.store.CreateTicket(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

var ticketTitles = []string{
	"Measure the flow at the gate",
	"Replace the worn seal",
	"Write down who is on call",
	"Test the alarm at night",
	"Clean the filters before winter",
	"Order spare parts for the pump",
}

var chatLines = []string{
	"admin: Welcome. This is the chat of the water gate project.",
	"grace: The pump was restarted at six, pressure is back to normal.",
	"edsger: The seal on the north gate leaks again; it should be replaced this week.",
	"grace: Spare seals are in the workshop, second shelf.",
	"admin: Night shift begins at ten. The phone of the person on call is on the door.",
	"edsger: The alarm did not ring in last night's test. Its battery was empty.",
	"grace: I put a new battery into the alarm and it rings now.",
	"admin: Filters are due for cleaning before the first frost.",
	"edsger: Flow at the gate measured: forty litres a second at half opening.",
	"grace: The delivery of pump parts arrives on Thursday.",
	"admin: Please upload photos of the seal to the project.",
	"edsger: The archive now holds all reports since spring.",
}
