package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

// faults are the broken rules of a thing: field to reason.
type faults map[string]string

// requireFaults demands that err reports exactly these faults.
func requireFaults(t *testing.T, want faults, err error) {
	t.Helper()
	if len(want) == 0 {
		require.NoError(t, err)
		return
	}
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, app.CodeInvalid, e.Code)
	require.Equal(t, "some fields are not valid", e.Message)
	require.NoError(t, e.Cause)
	require.Equal(t, map[string]string(want), e.Fields)
}

const (
	isEmpty    = "must not be empty"
	isTooLong  = "is too long"
	isNoLine   = "must be one line of valid UTF-8"
	isNoUser   = "must be the id of a user"
	isNoProj   = "must be the id of a project"
	isNoTicket = "must be the id of a ticket"
)

// lines are the cases of a one-line text of at most so many characters.
func lines(most int) []struct{ name, text, reason string } {
	return []struct{ name, text, reason string }{
		{"one character is enough", "x", ""},
		{"the longest one passes", strings.Repeat("x", most), ""},
		{"characters are counted, not bytes", strings.Repeat("\U0001F600", most), ""},
		{"one character more is too long", strings.Repeat("x", most+1), isTooLong},
		{"one wide character more is too long", strings.Repeat("é", most+1), isTooLong},
		{"space at the end counts", strings.Repeat("x", most) + " ", isTooLong},
		{"nothing is refused", "", isEmpty},
		{"spaces alone are refused", "  ", isEmpty},
		{"exotic white space alone is refused", "\u00a0\u2003", isEmpty},
		{"the ends of printable ASCII pass", "a b~", ""},
		{"the replacement character is a character", "\ufffd", ""},
		{"a line feed is refused", "a\nb", isNoLine},
		{"so is a line separator", "a\u2028b", isNoLine},
		{"so is a control character beyond ASCII", "a\u0085b", isNoLine},
		{"so is one at the end", "a\n", isNoLine},
		{"a carriage return is refused", "a\rb", isNoLine},
		{"a tab is refused", "a\tb", isNoLine},
		{"a zero byte is refused", "a\x00b", isNoLine},
		{"the last control character before the space is refused", "a\x1fb", isNoLine},
		{"delete is refused", "a\x7fb", isNoLine},
		{"half a character is refused", "a\xc3", isNoLine},
	}
}

// usernames are the cases of a user name, and whether it passes.
var usernames = []struct {
	name, text string
	ok         bool
}{
	{"two characters are enough", "ab", true},
	{"one is too few", "a", false},
	{"none is too few", "", false},
	{"thirty-two pass", strings.Repeat("a", 32), true},
	{"thirty-three are too many", strings.Repeat("a", 33), false},
	{"the first letter may come first, and all ends of the ranges later", "aaz09", true},
	{"so may the last letter", "z.", true},
	{"so may the first digit", "0a", true},
	{"so may the last digit", "9a", true},
	{"dot, dash and underscore may follow", "a._-", true},
	{"a dot may not come first", ".a", false},
	{"a dash may not come first", "-a", false},
	{"an underscore may not come first", "_a", false},
	{"a capital is refused", "Ann", false},
	{"a later capital is refused", "anN", false},
	{"a space is refused", "an n", false},
	{"a slash is refused", "a/b", false},
	{"a line feed at the end is refused", "ann\n", false},
	{"a second line is refused", "ann\nbob", false},
	{"a letter outside ASCII is refused", "anné", false},
	{"a half character is refused", "ann\xff", false},
}

func TestMessageRules(t *testing.T) {
	const (
		noName  = "is not a user name"
		noType  = "must be text, system or answer"
		noUTF8  = "must be valid UTF-8"
		tooLong = "must have at most 2000 characters"
		hasZero = "must not contain a zero byte"
	)
	require.Equal(t, 2000, app.MaxMessageBody)
	for _, c := range []struct {
		name   string
		change func(*app.Message)
		want   faults
	}{
		{"a text passes", func(m *app.Message) { m.Type = "text" }, nil},
		{"a system message passes", func(m *app.Message) { m.Type = "system" }, nil},
		{"an answer passes", func(m *app.Message) { m.Type = "answer" }, nil},
		{"another type is refused", func(m *app.Message) { m.Type = "image" }, faults{"type": noType}},
		{"a type is not spelt in capitals", func(m *app.Message) { m.Type = "Text" }, faults{"type": noType}},
		{"no type is refused", func(m *app.Message) { m.Type = "" }, faults{"type": noType}},
		{"one character is enough", func(m *app.Message) { m.Body = "x" }, nil},
		{"2000 characters pass", func(m *app.Message) { m.Body = strings.Repeat("x", 2000) }, nil},
		{"2000 characters of four bytes pass", func(m *app.Message) { m.Body = strings.Repeat("\U0001F600", 2000) }, nil},
		{"2001 characters are refused", func(m *app.Message) { m.Body = strings.Repeat("x", 2001) }, faults{"body": tooLong}},
		{"2001 characters of two bytes are refused", func(m *app.Message) { m.Body = strings.Repeat("é", 2001) }, faults{"body": tooLong}},
		{"space at the end counts", func(m *app.Message) { m.Body = strings.Repeat("x", 2000) + "\n" }, faults{"body": tooLong}},
		{"a body may have lines and tabs", func(m *app.Message) { m.Body = "a\n\tb\r\n" }, nil},
		{"an empty body is refused", func(m *app.Message) { m.Body = "" }, faults{"body": isEmpty}},
		{"white space alone is refused", func(m *app.Message) { m.Body = " \t\r\n\u2003" }, faults{"body": isEmpty}},
		{"bytes that are no UTF-8 are refused", func(m *app.Message) { m.Body = "a\xff" }, faults{"body": noUTF8}},
		{"a zero byte is refused", func(m *app.Message) { m.Body = "a\x00" }, faults{"body": hasZero}},
		{"a zero byte alone is refused", func(m *app.Message) { m.Body = "\x00" }, faults{"body": hasZero}},
		{"a field with two broken rules names the first", func(m *app.Message) { m.Body = strings.Repeat("\x00", 2001) }, faults{"body": tooLong}},
		{"all broken rules are told at once", func(m *app.Message) { *m = app.Message{} },
			faults{"username": noName, "type": noType, "body": isEmpty}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := app.Message{Username: "ann", Type: "text", Body: "hello"}
			c.change(&m)
			requireFaults(t, c.want, m.Validate())
		})
	}
	for _, c := range usernames {
		t.Run("of the user name, "+c.name, func(t *testing.T) {
			var want faults
			if !c.ok {
				want = faults{"username": noName}
			}
			m := app.Message{Username: c.text, Type: "text", Body: "hello"}
			requireFaults(t, want, m.Validate())
		})
	}
}

func TestUserRules(t *testing.T) {
	const (
		noName = "must be 2 to 32 of a-z, 0-9, dot, dash and underscore, starting with a letter or digit"
		noRole = "must be public, authenticated or admin"
	)
	for _, c := range usernames {
		t.Run("of the user name, "+c.name, func(t *testing.T) {
			var want faults
			if !c.ok {
				want = faults{"username": noName}
			}
			u := app.User{Username: c.text, Role: app.RoleAuthenticated}
			requireFaults(t, want, u.Validate())
		})
	}
	for _, c := range []struct {
		name string
		user app.User
		want faults
	}{
		{"public is a role", app.User{Username: "ann", Role: "public"}, nil},
		{"authenticated is a role", app.User{Username: "ann", Role: "authenticated"}, nil},
		{"admin is a role", app.User{Username: "ann", Role: "admin"}, nil},
		{"root is none", app.User{Username: "ann", Role: "root"}, faults{"role": noRole}},
		{"a role is not spelt in capitals", app.User{Username: "ann", Role: "Admin"}, faults{"role": noRole}},
		{"no role is refused", app.User{Username: "ann"}, faults{"role": noRole}},
		{"all broken rules are told at once", app.User{}, faults{"username": noName, "role": noRole}},
	} {
		t.Run(c.name, func(t *testing.T) { requireFaults(t, c.want, c.user.Validate()) })
	}
}

func TestProjectRules(t *testing.T) {
	const noStatus = "must be active, paused or archived"
	for _, c := range []struct {
		name    string
		project app.Project
		want    faults
	}{
		{"an active project passes", app.Project{Name: "p", Status: "active", OwnerID: 1}, nil},
		{"a paused project passes", app.Project{Name: "p", Status: "paused", OwnerID: 1}, nil},
		{"an archived project passes", app.Project{Name: "p", Status: "archived", OwnerID: 1}, nil},
		{"another status is refused", app.Project{Name: "p", Status: "open", OwnerID: 1}, faults{"status": noStatus}},
		{"no status is refused", app.Project{Name: "p", OwnerID: 1}, faults{"status": noStatus}},
		{"no owner is refused", app.Project{Name: "p", Status: "active"}, faults{"owner_id": isNoUser}},
		{"a negative owner is refused", app.Project{Name: "p", Status: "active", OwnerID: -1}, faults{"owner_id": isNoUser}},
		{"all broken rules are told at once", app.Project{},
			faults{"name": isEmpty, "status": noStatus, "owner_id": isNoUser}},
	} {
		t.Run(c.name, func(t *testing.T) { requireFaults(t, c.want, c.project.Validate()) })
	}
	for _, c := range lines(120) {
		t.Run("of the name, "+c.name, func(t *testing.T) {
			var want faults
			if c.reason != "" {
				want = faults{"name": c.reason}
			}
			p := app.Project{Name: c.text, Status: "active", OwnerID: 1}
			requireFaults(t, want, p.Validate())
		})
	}
}

func TestTicketRules(t *testing.T) {
	const (
		noText     = "must be valid UTF-8 without zero bytes"
		tooLong    = "must have at most 10000 characters"
		noStatus   = "must be open, in_progress or done"
		noPriority = "must be low, normal, high or urgent"
		noAssignee = "must be the id of a user, or null"
		noDate     = "must lie between the years 1970 and 9999"
	)
	for _, c := range []struct {
		name   string
		change func(*app.Ticket)
		want   faults
	}{
		{"an open one passes", func(v *app.Ticket) { v.Status = "open" }, nil},
		{"one in progress passes", func(v *app.Ticket) { v.Status = "in_progress" }, nil},
		{"one that is done passes", func(v *app.Ticket) { v.Status = "done" }, nil},
		{"another status is refused", func(v *app.Ticket) { v.Status = "closed" }, faults{"status": noStatus}},
		{"no status is refused", func(v *app.Ticket) { v.Status = "" }, faults{"status": noStatus}},
		{"a low priority passes", func(v *app.Ticket) { v.Priority = "low" }, nil},
		{"a normal priority passes", func(v *app.Ticket) { v.Priority = "normal" }, nil},
		{"a high priority passes", func(v *app.Ticket) { v.Priority = "high" }, nil},
		{"an urgent one passes", func(v *app.Ticket) { v.Priority = "urgent" }, nil},
		{"another priority is refused", func(v *app.Ticket) { v.Priority = "Urgent" }, faults{"priority": noPriority}},
		{"no priority is refused", func(v *app.Ticket) { v.Priority = "" }, faults{"priority": noPriority}},
		{"no project is refused", func(v *app.Ticket) { v.ProjectID = 0 }, faults{"project_id": isNoProj}},
		{"a negative project is refused", func(v *app.Ticket) { v.ProjectID = -1 }, faults{"project_id": isNoProj}},
		{"it may be assigned to a user", func(v *app.Ticket) { v.AssignedTo = new(int64(1)) }, nil},
		{"a user 0 is refused", func(v *app.Ticket) { v.AssignedTo = new(int64(0)) }, faults{"assigned_to": noAssignee}},
		{"a negative user is refused", func(v *app.Ticket) { v.AssignedTo = new(int64(-1)) }, faults{"assigned_to": noAssignee}},
		{"a description may have lines and tabs", func(v *app.Ticket) { v.Description = "a\n\tb" }, nil},
		{"10000 characters pass", func(v *app.Ticket) { v.Description = strings.Repeat("x", 10_000) }, nil},
		{"10000 characters of four bytes pass", func(v *app.Ticket) { v.Description = strings.Repeat("\U0001F600", 10_000) }, nil},
		{"10001 characters are refused", func(v *app.Ticket) { v.Description = strings.Repeat("x", 10_001) }, faults{"description": tooLong}},
		{"10001 characters of two bytes are refused", func(v *app.Ticket) { v.Description = strings.Repeat("é", 10_001) }, faults{"description": tooLong}},
		{"space at its end counts", func(v *app.Ticket) { v.Description = strings.Repeat("x", 10_000) + "\n" }, faults{"description": tooLong}},
		{"a description that is no UTF-8 is refused", func(v *app.Ticket) { v.Description = "\xff" }, faults{"description": noText}},
		{"a zero byte in it is refused", func(v *app.Ticket) { v.Description = "a\x00" }, faults{"description": noText}},
		{"the first instant of 1970 passes", func(v *app.Ticket) {
			v.DueDate = new(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))
		}, nil},
		{"the last instant of 1969 is refused", func(v *app.Ticket) {
			v.DueDate = new(time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
		}, faults{"due_date": noDate}},
		{"the last instant of 9999 passes", func(v *app.Ticket) {
			v.DueDate = new(time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC))
		}, nil},
		{"the first instant of 10000 is refused", func(v *app.Ticket) {
			v.DueDate = new(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
		}, faults{"due_date": noDate}},
		{"a time zone hides no year", func(v *app.Ticket) {
			v.DueDate = new(time.Date(9999, 12, 31, 23, 30, 0, 0, time.FixedZone("", -5*3600)))
		}, faults{"due_date": noDate}},
		{"the zero time is refused", func(v *app.Ticket) { v.DueDate = new(time.Time) }, faults{"due_date": noDate}},
		{"all rules that a zero ticket breaks are told at once", func(v *app.Ticket) { *v = app.Ticket{} },
			faults{"project_id": isNoProj, "title": isEmpty, "status": noStatus, "priority": noPriority}},
		{"all broken rules are told at once", func(v *app.Ticket) {
			*v = app.Ticket{Title: "\n.", Description: "\x00", AssignedTo: new(int64), DueDate: new(time.Time)}
		}, faults{"project_id": isNoProj, "title": isNoLine, "description": noText, "status": noStatus,
			"priority": noPriority, "assigned_to": noAssignee, "due_date": noDate}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := app.Ticket{ProjectID: 1, Title: "t", Status: "open", Priority: "low"}
			c.change(&v)
			requireFaults(t, c.want, v.Validate())
		})
	}
	for _, c := range lines(200) {
		t.Run("of the title, "+c.name, func(t *testing.T) {
			var want faults
			if c.reason != "" {
				want = faults{"title": c.reason}
			}
			v := app.Ticket{ProjectID: 1, Title: c.text, Status: "open", Priority: "low"}
			requireFaults(t, want, v.Validate())
		})
	}
}

func TestFileRules(t *testing.T) {
	const isPath = "must not be a path"
	const homeless = "a file belongs to a project or a ticket"
	for _, c := range []struct {
		name string
		file app.File
		want faults
	}{
		{"a file of a project passes", app.File{Name: "f", ProjectID: new(int64(1))}, nil},
		{"a name like a/b is refused", app.File{Name: "a/b", ProjectID: new(int64(1))}, faults{"name": isPath}},
		{"a name like a path of Windows is refused", app.File{Name: `C:\f`, ProjectID: new(int64(1))}, faults{"name": isPath}},
		{"a name like one dot is refused", app.File{Name: ".", ProjectID: new(int64(1))}, faults{"name": isPath}},
		{"a name like two dots is refused", app.File{Name: "..", ProjectID: new(int64(1))}, faults{"name": isPath}},
		{"a name with dots passes", app.File{Name: "..a.b", ProjectID: new(int64(1))}, nil},
		{"a file of a ticket passes", app.File{Name: "f", TicketID: new(int64(1))}, nil},
		{"a file of both passes", app.File{Name: "f", ProjectID: new(int64(1)), TicketID: new(int64(1))}, nil},
		{"a file of neither is refused", app.File{Name: "f"}, faults{"project_id": homeless}},
		{"a project 0 is refused", app.File{Name: "f", ProjectID: new(int64(0))}, faults{"project_id": isNoProj}},
		{"a negative project is refused", app.File{Name: "f", ProjectID: new(int64(-1))}, faults{"project_id": isNoProj}},
		{"a ticket does not make up for it", app.File{Name: "f", ProjectID: new(int64(0)), TicketID: new(int64(1))},
			faults{"project_id": isNoProj}},
		{"a ticket 0 is refused", app.File{Name: "f", TicketID: new(int64(0))}, faults{"ticket_id": isNoTicket}},
		{"a negative ticket is refused", app.File{Name: "f", TicketID: new(int64(-1))}, faults{"ticket_id": isNoTicket}},
		{"all rules that a zero file breaks are told at once", app.File{},
			faults{"name": isEmpty, "project_id": homeless}},
		{"all broken rules are told at once", app.File{Name: "a\nb", ProjectID: new(int64), TicketID: new(int64)},
			faults{"name": isNoLine, "project_id": isNoProj, "ticket_id": isNoTicket}},
	} {
		t.Run(c.name, func(t *testing.T) { requireFaults(t, c.want, c.file.Validate()) })
	}
	for _, c := range lines(255) {
		t.Run("of the name, "+c.name, func(t *testing.T) {
			var want faults
			if c.reason != "" {
				want = faults{"name": c.reason}
			}
			f := app.File{Name: c.text, ProjectID: new(int64(1))}
			requireFaults(t, want, f.Validate())
		})
	}
}
