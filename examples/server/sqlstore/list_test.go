package sqlstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

func TestPagingMeetsEveryRowOnce(t *testing.T) {
	// Three instants for eleven rows: pages end within equal times.
	each(t, func(t *testing.T, s *sqlstore.Store) {
		var want []string
		for i := range 11 {
			m := newMessage(t, s, "text", strconv.Itoa(i))
			setCreated(t, s, m.ID, time.Date(2026, 1, 1, 0, 0, i/4, 1000, time.UTC))
			want = append(want, m.Body)
		}
		slices.Reverse(want)
		for limit := 1; limit <= 12; limit++ {
			t.Run(fmt.Sprintf("%d per page", limit), func(t *testing.T) {
				var got []string
				for at := (app.PageRequest{Limit: limit}); ; {
					page, err := s.ListMessages(t.Context(), app.MessageFilter{Username: "ann"}, at)
					require.NoError(t, err)
					require.NotEmpty(t, page.Items)
					require.LessOrEqual(t, len(page.Items), limit)
					got = append(got, bodies(page.Items)...)
					if at.After = page.Next; at.After.IsZero() {
						break
					}
				}
				require.Equal(t, want, got)
			})
		}
	})
}

func TestPagingIsSteadyWhileRowsComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		same := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var rows []app.Message
		for i := range 6 {
			rows = append(rows, newMessage(t, s, "text", strconv.Itoa(i)))
			setCreated(t, s, rows[i].ID, same)
		}
		page, err := s.ListMessages(ctx, app.MessageFilter{}, app.PageRequest{Limit: 2})
		require.NoError(t, err)
		require.Equal(t, []string{"5", "4"}, bodies(page.Items))

		newMessage(t, s, "text", "newer")
		late := newMessage(t, s, "text", "later, at the same instant")
		setCreated(t, s, late.ID, same)
		require.NoError(t, s.DeleteMessage(ctx, rows[4].ID, 0)) // where the cursor stands
		require.NoError(t, s.DeleteMessage(ctx, rows[2].ID, 0))

		page, err = s.ListMessages(ctx, app.MessageFilter{}, app.PageRequest{Limit: 2, After: page.Next})
		require.NoError(t, err)
		require.Equal(t, []string{"3", "1"}, bodies(page.Items))
		page, err = s.ListMessages(ctx, app.MessageFilter{}, app.PageRequest{Limit: 2, After: page.Next})
		require.NoError(t, err)
		require.Equal(t, []string{"0"}, bodies(page.Items))
		require.True(t, page.Next.IsZero())
	})
}

func TestThePageLengthIsBounded(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		for range app.MaxLimit + 1 {
			newMessage(t, s, "text", "body")
		}
		for limit, want := range map[int]int{
			0: app.DefaultLimit, -5: app.DefaultLimit, app.MaxLimit: app.MaxLimit, 1 << 40: app.MaxLimit,
		} {
			page, err := s.ListMessages(t.Context(), app.MessageFilter{}, app.PageRequest{Limit: limit})
			require.NoError(t, err)
			require.Len(t, page.Items, want)
			require.False(t, page.Next.IsZero())
		}
	})
}

func TestAnEmptyListIsNotNil(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		page, err := s.ListUsers(t.Context(), app.UserFilter{}, app.PageRequest{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, app.Page[app.User]{Items: []app.User{}}, page)
	})
}

func TestFilters(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx, all := t.Context(), app.PageRequest{Limit: 100}
		ann, bob := newUser(t, s, "ann"), newUser(t, s, "bob")
		bob.Role = app.RoleAdmin
		bob, err := s.UpdateUser(ctx, bob)
		require.NoError(t, err)
		one, two := newProject(t, s, ann.ID), newProject(t, s, bob.ID)
		two.Status = "paused"
		two, err = s.UpdateProject(ctx, two)
		require.NoError(t, err)
		soon, later := time.Unix(1000, 0).UTC(), time.Unix(2000, 0).UTC()
		first, err := s.CreateTicket(ctx, app.Ticket{ProjectID: one.ID, Title: "1", Status: "open", Priority: "low", AssignedTo: &ann.ID, DueDate: &soon})
		require.NoError(t, err)
		second, err := s.CreateTicket(ctx, app.Ticket{ProjectID: one.ID, Title: "2", Status: "done", Priority: "low", AssignedTo: &bob.ID, DueDate: &later})
		require.NoError(t, err)
		third, err := s.CreateTicket(ctx, app.Ticket{ProjectID: two.ID, Title: "3", Status: "open", Priority: "high"})
		require.NoError(t, err)
		file, err := s.CreateFile(ctx, app.File{ProjectID: &one.ID, TicketID: &first.ID, Name: "f", FileType: "image/png", UploadedBy: ann.ID})
		require.NoError(t, err)
		text, system := newMessage(t, s, "text", "a"), newMessage(t, s, "system", "b")

		for want, filter := range map[*[]app.Ticket]app.TicketFilter{
			{third, second, first}: {},
			{second, first}:        {ProjectID: one.ID},
			{third, first}:         {Status: "open"},
			{third}:                {Priority: "high"},
			{second}:               {AssignedTo: bob.ID},
			{first}:                {DueBefore: later}, // one without a date is not due
			{second, first}:        {DueBefore: later.Add(time.Microsecond).In(time.FixedZone("", -3600))},
			{}:                     {ProjectID: two.ID, Status: "open", Priority: "low"},
		} {
			page, err := s.ListTickets(ctx, filter, all)
			require.NoError(t, err)
			require.Equal(t, *want, page.Items, "%+v", filter)
		}
		for want, filter := range map[*[]app.Project]app.ProjectFilter{
			{two, one}: {}, {one}: {Status: "active"}, {two}: {OwnerID: bob.ID}, {}: {Status: "active", OwnerID: bob.ID},
		} {
			page, err := s.ListProjects(ctx, filter, all)
			require.NoError(t, err)
			require.Equal(t, *want, page.Items, "%+v", filter)
		}
		for want, filter := range map[*[]app.File]app.FileFilter{
			{file}: {ProjectID: one.ID, TicketID: first.ID, FileType: "image/png"},
			{}:     {ProjectID: two.ID}, {}: {TicketID: second.ID}, {}: {FileType: "text/plain"},
		} {
			page, err := s.ListFiles(ctx, filter, all)
			require.NoError(t, err)
			require.Equal(t, *want, page.Items, "%+v", filter)
		}
		for want, filter := range map[*[]app.User]app.UserFilter{
			{bob, ann}: {}, {ann}: {Username: "ann"}, {bob}: {Role: app.RoleAdmin}, {}: {Username: "a%"},
		} {
			page, err := s.ListUsers(ctx, filter, all)
			require.NoError(t, err)
			require.Equal(t, *want, page.Items, "%+v", filter)
		}
		for want, filter := range map[*[]app.Message]app.MessageFilter{
			{system, text}: {Username: "ann"}, {system}: {Type: "system"}, {}: {Username: "ann' OR 'a'='a"},
		} {
			page, err := s.ListMessages(ctx, filter, all)
			require.NoError(t, err)
			require.Equal(t, *want, page.Items, "%+v", filter)
		}
	})
}

func TestSearch(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		for _, body := range []string{
			"Alpha", "100% sure", "100 sure", "under_score", "underXscore", "ÜBER Ωμέγα", `back\slash`, "a*b?c[d]e^f-g.h",
			"aXbYcdeZ", "МОСКВА", "don't",
		} {
			newMessage(t, s, "text", body)
		}
		newMessage(t, s, "system", "alpha of the system")
		for _, c := range []struct {
			name  string
			words []string
			want  []string
		}{
			{"either case matches", []string{"alpha"}, []string{"Alpha"}},
			{"either case matches beyond ASCII", []string{"über"}, []string{"ÜBER Ωμέγα"}},
			{"a part of a word matches in any script", []string{"оскв"}, []string{"МОСКВА"}},
			{"accents count", []string{"uber"}, []string{}},
			{"any of the words is enough, newest first", []string{"alpha", "don't"}, []string{"don't", "Alpha"}},
			{"a percent sign is one", []string{"0% s"}, []string{"100% sure"}},
			{"an underscore is one", []string{"r_s"}, []string{"under_score"}},
			{"a backslash is one", []string{`k\s`}, []string{`back\slash`}},
			{"an asterisk is one", []string{"a*b"}, []string{"a*b?c[d]e^f-g.h"}},
			{"a question mark is one", []string{"b?c"}, []string{"a*b?c[d]e^f-g.h"}},
			{"brackets are brackets", []string{"[d]"}, []string{"a*b?c[d]e^f-g.h"}},
			{"other signs of patterns are themselves", []string{"^f-g."}, []string{"a*b?c[d]e^f-g.h"}},
			{"a lone bracket breaks nothing", []string{"[", "("}, []string{"a*b?c[d]e^f-g.h"}},
			{"no words match nothing", nil, nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				found, err := s.SearchMessages(t.Context(), c.words, 100)
				require.NoError(t, err)
				require.ElementsMatch(t, c.want, bodies(found))
				if len(c.want) > 1 {
					require.Equal(t, c.want, bodies(found))
				}
			})
		}
		found, err := s.SearchMessages(t.Context(), []string{"under", "sure"}, 3)
		require.NoError(t, err)
		require.Equal(t, []string{"underXscore", "under_score", "100 sure"}, bodies(found))
	})
}

// setCreated moves a message to another time, as if it had been created then.
func setCreated(t *testing.T, s *sqlstore.Store, id int64, at time.Time) {
	t.Helper()
	_, err := s.DB().Exec("UPDATE messages SET created_at = $1 WHERE id = $2", at, id)
	require.NoError(t, err)
}
