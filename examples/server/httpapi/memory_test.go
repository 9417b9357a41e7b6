package httpapi_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// memory is an app.Store that keeps the rules of its ports in a few maps.
type memory struct {
	mu       sync.Mutex
	messages table[app.Message]
	projects table[app.Project]
	tickets  table[app.Ticket]
	files    table[app.File]
	users    table[app.User]
	tokens   map[string]memoryToken
	now      func() time.Time
	fault    error // of every list
}

type memoryToken struct {
	user    int64
	expires time.Time
}

func newMemory() *memory {
	m := &memory{tokens: map[string]memoryToken{}, now: time.Now}
	m.messages = table[app.Message]{kind: "message", of: func(v *app.Message) columns {
		return columns{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt}
	}}
	m.projects = table[app.Project]{kind: "project", of: func(v *app.Project) columns {
		return columns{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt}
	}}
	m.tickets = table[app.Ticket]{kind: "ticket", of: func(v *app.Ticket) columns {
		return columns{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt}
	}}
	m.files = table[app.File]{kind: "file", of: func(v *app.File) columns {
		return columns{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt}
	}}
	m.users = table[app.User]{kind: "user", of: func(v *app.User) columns {
		return columns{&v.ID, &v.Version, &v.CreatedAt, &v.UpdatedAt}
	}}
	return m
}

type columns struct {
	id, version      *int64
	created, updated *time.Time
}

type table[T any] struct {
	kind string
	of   func(*T) columns
	rows []T
	last int64
}

func (t *table[T]) create(v T, now time.Time) T {
	t.last++
	c := t.of(&v)
	*c.id, *c.version = t.last, 1
	*c.created = now.UTC().Truncate(time.Microsecond)
	*c.updated = *c.created
	t.rows = append(t.rows, v)
	return v
}

func (t *table[T]) find(id, version int64) (*T, error) {
	i := slices.IndexFunc(t.rows, func(v T) bool { return *t.of(&v).id == id })
	if i < 0 {
		return nil, app.NotFound(t.kind, id)
	}
	if version != 0 && version != *t.of(&t.rows[i]).version {
		return nil, app.Errorf(app.CodePrecondition, "the %s was changed meanwhile", t.kind)
	}
	return &t.rows[i], nil
}

func (t *table[T]) get(id int64) (T, error) {
	v, err := t.find(id, 0)
	if err != nil {
		var none T
		return none, err
	}
	return *v, nil
}

func (t *table[T]) update(v T, now time.Time) (T, error) {
	c := t.of(&v)
	old, err := t.find(*c.id, *c.version)
	if err != nil {
		return v, err
	}
	*c.version = *t.of(old).version + 1
	*c.created, *c.updated = *t.of(old).created, now.UTC().Truncate(time.Microsecond)
	*old = v
	return v, nil
}

func (t *table[T]) remove(id, version int64) (T, error) {
	v, err := t.find(id, version)
	if err != nil {
		var none T
		return none, err
	}
	gone := *v
	t.rows = slices.DeleteFunc(t.rows, func(v T) bool { return *t.of(&v).id == id })
	return gone, nil
}

func (t *table[T]) list(p app.PageRequest, match func(T) bool) app.Page[T] {
	newestFirst := func(x, y app.Cursor) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(y.ID, x.ID))
	}
	at := func(v T) app.Cursor { return app.Cursor{CreatedAt: *t.of(&v).created, ID: *t.of(&v).id} }
	rows := slices.Clone(t.rows)
	slices.SortFunc(rows, func(x, y T) int { return newestFirst(at(x), at(y)) })
	rows = slices.DeleteFunc(rows, func(v T) bool {
		return !match(v) || !p.After.IsZero() && newestFirst(p.After, at(v)) >= 0
	})
	if len(rows) <= p.Limit {
		return app.Page[T]{Items: rows}
	}
	return app.Page[T]{Items: rows[:p.Limit], Next: at(rows[p.Limit-1])}
}

func either[T comparable](want, have T) bool {
	var zero T
	return want == zero || want == have
}

func value(p *int64) int64 {
	if p == nil {
		return 0
	}
	return *p
}

func missing(field string) error {
	return &app.Error{Code: app.CodeInvalid, Message: "some fields are not valid",
		Fields: map[string]string{field: "does not exist"}}
}

func locked[T any](m *memory, f func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f()
}

func listed[T any](m *memory, t *table[T], p app.PageRequest, match func(T) bool) (app.Page[T], error) {
	return locked(m, func() (app.Page[T], error) { return t.list(p, match), m.fault })
}

func removed[T any](m *memory, t *table[T], id, version int64) error {
	_, err := locked(m, func() (T, error) { return t.remove(id, version) })
	return err
}

func (m *memory) Ping(context.Context) error { return nil }

func (m *memory) ListMessages(_ context.Context, f app.MessageFilter, p app.PageRequest) (app.Page[app.Message], error) {
	return listed(m, &m.messages, p, func(v app.Message) bool {
		return either(f.Username, v.Username) && either(f.Type, v.Type)
	})
}

func (m *memory) GetMessage(_ context.Context, id int64) (app.Message, error) {
	return locked(m, func() (app.Message, error) { return m.messages.get(id) })
}

func (m *memory) CreateMessage(_ context.Context, v app.Message) (app.Message, error) {
	return locked(m, func() (app.Message, error) { return m.messages.create(v, m.now()), nil })
}

func (m *memory) UpdateMessage(_ context.Context, v app.Message) (app.Message, error) {
	return locked(m, func() (app.Message, error) { return m.messages.update(v, m.now()) })
}

func (m *memory) DeleteMessage(_ context.Context, id, version int64) error {
	return removed(m, &m.messages, id, version)
}

func (m *memory) SearchMessages(_ context.Context, words []string, limit int) ([]app.Message, error) {
	page, err := listed(m, &m.messages, app.PageRequest{Limit: limit}, func(v app.Message) bool {
		return v.Type == "text" && slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(strings.ToLower(v.Body), w)
		})
	})
	return page.Items, err
}

func (m *memory) ListProjects(_ context.Context, f app.ProjectFilter, p app.PageRequest) (app.Page[app.Project], error) {
	return listed(m, &m.projects, p, func(v app.Project) bool {
		return either(f.Status, v.Status) && either(f.OwnerID, v.OwnerID)
	})
}

func (m *memory) GetProject(_ context.Context, id int64) (app.Project, error) {
	return locked(m, func() (app.Project, error) { return m.projects.get(id) })
}

func (m *memory) CreateProject(_ context.Context, v app.Project) (app.Project, error) {
	return locked(m, func() (app.Project, error) {
		if _, err := m.users.get(v.OwnerID); err != nil {
			return v, missing("owner_id")
		}
		return m.projects.create(v, m.now()), nil
	})
}

func (m *memory) UpdateProject(_ context.Context, v app.Project) (app.Project, error) {
	return locked(m, func() (app.Project, error) { return m.projects.update(v, m.now()) })
}

func (m *memory) DeleteProject(_ context.Context, id, version int64) error {
	_, err := locked(m, func() (app.Project, error) {
		if slices.ContainsFunc(m.tickets.rows, func(v app.Ticket) bool { return v.ProjectID == id }) {
			return app.Project{}, app.Errorf(app.CodeConflict, "the project still has tickets")
		}
		return m.projects.remove(id, version)
	})
	return err
}

func (m *memory) ListTickets(_ context.Context, f app.TicketFilter, p app.PageRequest) (app.Page[app.Ticket], error) {
	return listed(m, &m.tickets, p, func(v app.Ticket) bool {
		return either(f.ProjectID, v.ProjectID) && either(f.Status, v.Status) && either(f.Priority, v.Priority) &&
			either(f.AssignedTo, value(v.AssignedTo)) &&
			(f.DueBefore.IsZero() || v.DueDate != nil && v.DueDate.Before(f.DueBefore))
	})
}

func (m *memory) GetTicket(_ context.Context, id int64) (app.Ticket, error) {
	return locked(m, func() (app.Ticket, error) { return m.tickets.get(id) })
}

func (m *memory) CreateTicket(_ context.Context, v app.Ticket) (app.Ticket, error) {
	return locked(m, func() (app.Ticket, error) {
		if _, err := m.projects.get(v.ProjectID); err != nil {
			return v, missing("project_id")
		}
		return m.tickets.create(v, m.now()), nil
	})
}

func (m *memory) UpdateTicket(_ context.Context, v app.Ticket) (app.Ticket, error) {
	return locked(m, func() (app.Ticket, error) { return m.tickets.update(v, m.now()) })
}

func (m *memory) DeleteTicket(_ context.Context, id, version int64) error {
	return removed(m, &m.tickets, id, version)
}

func (m *memory) ListFiles(_ context.Context, f app.FileFilter, p app.PageRequest) (app.Page[app.File], error) {
	return listed(m, &m.files, p, func(v app.File) bool {
		return either(f.ProjectID, value(v.ProjectID)) && either(f.TicketID, value(v.TicketID)) &&
			either(f.FileType, v.FileType)
	})
}

func (m *memory) GetFile(_ context.Context, id int64) (app.File, error) {
	return locked(m, func() (app.File, error) { return m.files.get(id) })
}

func (m *memory) CreateFile(_ context.Context, v app.File) (app.File, error) {
	return locked(m, func() (app.File, error) {
		if _, err := m.projects.get(value(v.ProjectID)); v.ProjectID != nil && err != nil {
			return v, missing("project_id")
		}
		return m.files.create(v, m.now()), nil
	})
}

func (m *memory) UpdateFile(_ context.Context, v app.File) (app.File, error) {
	return locked(m, func() (app.File, error) { return m.files.update(v, m.now()) })
}

func (m *memory) DeleteFile(_ context.Context, id, version int64) (app.File, error) {
	return locked(m, func() (app.File, error) { return m.files.remove(id, version) })
}

func (m *memory) ListUsers(_ context.Context, f app.UserFilter, p app.PageRequest) (app.Page[app.User], error) {
	return listed(m, &m.users, p, func(v app.User) bool {
		return either(f.Username, v.Username) && either(f.Role, v.Role)
	})
}

func (m *memory) GetUser(_ context.Context, id int64) (app.User, error) {
	return locked(m, func() (app.User, error) { return m.users.get(id) })
}

func (m *memory) GetUserByName(_ context.Context, name string) (app.User, error) {
	return locked(m, func() (app.User, error) {
		for _, u := range m.users.rows {
			if u.Username == name {
				return u, nil
			}
		}
		return app.User{}, app.Errorf(app.CodeNotFound, "no user has this name")
	})
}

func (m *memory) CreateUser(ctx context.Context, v app.User) (app.User, error) {
	if _, err := m.GetUserByName(ctx, v.Username); err == nil {
		return v, app.Errorf(app.CodeConflict, "the user name is taken")
	}
	return locked(m, func() (app.User, error) { return m.users.create(v, m.now()), nil })
}

func (m *memory) UpdateUser(_ context.Context, v app.User) (app.User, error) {
	return locked(m, func() (app.User, error) {
		old, _ := m.users.get(v.ID)
		v.PasswordHash = cmp.Or(v.PasswordHash, old.PasswordHash)
		return m.users.update(v, m.now())
	})
}

func (m *memory) DeleteUser(_ context.Context, id, version int64) error {
	return removed(m, &m.users, id, version)
}

func (m *memory) CreateToken(_ context.Context, hash []byte, user int64, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[string(hash)] = memoryToken{user, expires}
	return nil
}

func (m *memory) UserByToken(_ context.Context, hash []byte, now time.Time) (app.User, error) {
	return locked(m, func() (app.User, error) {
		t, ok := m.tokens[string(hash)]
		if !ok || !now.Before(t.expires) {
			return app.User{}, app.Errorf(app.CodeUnauthenticated, "the token is unknown or expired")
		}
		return m.users.get(t.user)
	})
}

func (m *memory) DeleteToken(_ context.Context, hash []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tokens, string(hash))
	return nil
}

func (m *memory) DeleteUserTokens(_ context.Context, user int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.tokens, func(_ string, t memoryToken) bool { return t.user == user })
	return nil
}

// blobs is an app.Blobs that takes plain text only, and keeps no more than the
// beginning of a long file.
type blobs struct {
	mu    sync.Mutex
	bytes map[string][]byte
	puts  int
}

func (b *blobs) Put(_ context.Context, r io.Reader) (app.Blob, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return app.Blob{}, hidden(err)
	}
	mediaType := http.DetectContentType(head[:n])
	if !strings.HasPrefix(mediaType, "text/plain") {
		return app.Blob{}, app.Errorf(app.CodeUnsupportedType, "files of this type are not accepted")
	}
	var kept bytes.Buffer
	sum := sha256.New()
	size := int64(n)
	all := io.MultiWriter(sum, &keeper{&kept})
	_, _ = all.Write(head[:n])
	if err == nil {
		rest, err := io.Copy(all, r)
		if err != nil {
			return app.Blob{}, hidden(err)
		}
		size += rest
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	key := strconv.Itoa(b.puts)
	b.bytes[key] = kept.Bytes()
	return app.Blob{Key: key, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Type: mediaType}, nil
}

// hidden is what a store may make of a failing reader.
func hidden(err error) error {
	return &app.Error{Code: app.CodeInternal, Message: "storing failed", Cause: err}
}

type keeper struct{ to *bytes.Buffer }

func (k *keeper) Write(p []byte) (int, error) {
	if k.to.Len() < 1<<17 {
		k.to.Write(p)
	}
	return len(p), nil
}

func (b *blobs) Open(_ context.Context, key string) (io.ReadSeekCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	data, ok := b.bytes[key]
	if !ok {
		return nil, app.Errorf(app.CodeNotFound, "the file is gone")
	}
	return struct {
		*bytes.Reader
		io.Closer
	}{bytes.NewReader(data), io.NopCloser(nil)}, nil
}

func (b *blobs) Delete(_ context.Context, key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bytes, key)
	return nil
}

func (b *blobs) Sweep(_ context.Context, keep func(string) bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.bytes, func(key string, _ []byte) bool { return !keep(key) })
	return nil
}

func (b *blobs) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.bytes)
}
