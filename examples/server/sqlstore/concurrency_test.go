package sqlstore_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

const writers = 16

// together runs f in 16 goroutines at once and returns what they returned.
func together(f func(i int) error) []error {
	var wg sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, writers)
	for i := range errs {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func TestManyWritersWaitForEachOther(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		const rounds = 20
		errs := together(func(i int) error {
			for range rounds {
				m, err := s.CreateMessage(t.Context(), app.Message{Username: "ann", Type: "text", Body: strconv.Itoa(i)})
				if err != nil {
					return err
				}
				if _, err = s.UpdateMessage(t.Context(), m); err != nil {
					return err
				}
				if _, err = s.ListMessages(t.Context(), app.MessageFilter{}, app.PageRequest{Limit: 5}); err != nil {
					return err
				}
			}
			return nil
		})
		require.NoError(t, errors.Join(errs...))
		var n int
		require.NoError(t, s.DB().QueryRow("SELECT count(*) FROM messages WHERE version = 2").Scan(&n))
		require.Equal(t, writers*rounds, n)
	})
}

func TestOfConcurrentUpdatesOneWinsPerVersion(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		m := newMessage(t, s, "text", "start")
		for version := int64(1); version <= 5; version++ {
			errs := together(func(i int) error {
				changed := m
				changed.Version, changed.Body = version, strconv.Itoa(i)
				_, err := s.UpdateMessage(t.Context(), changed)
				return err
			})
			winner := -1
			for i, err := range errs {
				if err == nil {
					require.Equal(t, -1, winner, "a second winner")
					winner = i
					continue
				}
				requireCode(t, app.CodePrecondition, err)
			}
			got, err := s.GetMessage(t.Context(), m.ID)
			require.NoError(t, err)
			require.Equal(t, version+1, got.Version)
			require.Equal(t, strconv.Itoa(winner), got.Body)
		}
	})
}

func TestUpdatesOfAnyVersionAllCount(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		m := newMessage(t, s, "text", "start")
		m.Version = 0
		require.NoError(t, errors.Join(together(func(int) error {
			_, err := s.UpdateMessage(t.Context(), m)
			return err
		})...))
		got, err := s.GetMessage(t.Context(), m.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1+writers, got.Version)
	})
}

func TestOfConcurrentDeletesOneWins(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		m := newMessage(t, s, "text", "start")
		won := 0
		for _, err := range together(func(int) error { return s.DeleteMessage(t.Context(), m.ID, 1) }) {
			if err == nil {
				won++
				continue
			}
			requireCode(t, app.CodeNotFound, err)
		}
		require.Equal(t, 1, won)
	})
}

func TestOfConcurrentNamesOneIsTaken(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		won := 0
		for _, err := range together(func(int) error {
			_, err := s.CreateUser(t.Context(), app.User{Username: "ann", Role: app.RolePublic})
			return err
		}) {
			if err == nil {
				won++
				continue
			}
			requireCode(t, app.CodeConflict, err)
		}
		require.Equal(t, 1, won)
	})
}

func TestAProjectIsNotDeletedUnderANewTicket(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u := newUser(t, s, "ann")
		for range 5 {
			project := newProject(t, s, u.ID)
			errs := together(func(i int) error {
				if i == 0 {
					return s.DeleteProject(t.Context(), project.ID, 0)
				}
				_, err := s.CreateTicket(t.Context(), app.Ticket{ProjectID: project.ID, Title: "t", Status: "open", Priority: "low"})
				return err
			})
			tickets, err := s.ListTickets(t.Context(), app.TicketFilter{ProjectID: project.ID}, app.PageRequest{Limit: 100})
			require.NoError(t, err)
			if errs[0] == nil {
				require.Empty(t, tickets.Items)
				for _, err := range errs[1:] {
					requireFields(t, err, "project_id")
				}
				continue
			}
			requireCode(t, app.CodeConflict, errs[0])
			require.NoError(t, errors.Join(errs[1:]...))
			require.Len(t, tickets.Items, writers-1)
		}
	})
}

func TestServersStartTogetherOnOneDatabase(t *testing.T) {
	eachPlace(t, func(t *testing.T, place sqlstore.Options) {
		const servers = 4
		stores := make([]*sqlstore.Store, servers)
		var wg sync.WaitGroup
		errs := make([]error, servers)
		for i := range stores {
			wg.Go(func() { stores[i], errs[i] = sqlstore.Open(t.Context(), place) })
		}
		wg.Wait()
		for _, s := range stores {
			if s != nil {
				t.Cleanup(func() { require.NoError(t, s.Close()) })
			}
		}
		require.NoError(t, errors.Join(errs...))

		u := newUser(t, stores[0], "ann")
		got, err := stores[servers-1].GetUser(t.Context(), u.ID)
		require.NoError(t, err)
		require.Equal(t, u, got)
		var applied int
		require.NoError(t, stores[0].DB().QueryRow("SELECT count(*) FROM goose_db_version WHERE version_id = 1").Scan(&applied))
		require.Equal(t, 1, applied)
	})
}

func TestTwoServersWriteToOneDatabase(t *testing.T) {
	eachPlace(t, func(t *testing.T, place sqlstore.Options) {
		stores := []*sqlstore.Store{open(t, place), open(t, place)}
		m := newMessage(t, stores[0], "text", "start")
		m.Version = 0
		require.NoError(t, errors.Join(together(func(i int) error {
			_, err := stores[i%2].UpdateMessage(t.Context(), m)
			return err
		})...))
		got, err := stores[0].GetMessage(t.Context(), m.ID)
		require.NoError(t, err)
		require.EqualValues(t, 1+writers, got.Version)
	})
}
