package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

var errStore = errors.New("the store is on fire")

// room is a store of messages and its listeners, with a log of what they saw.
type room struct {
	app.Messages
	log []string
	err error // of CreateMessage
}

func (r *room) CreateMessage(ctx context.Context, m app.Message) (app.Message, error) {
	r.log = append(r.log, fmt.Sprintf("store %d %s for %s", m.ID, m.Body, app.PrincipalFrom(ctx).Username))
	m.ID, m.Version = 7, 1
	return m, r.err
}

func (r *room) Broadcast(m app.Message) {
	r.log = append(r.log, fmt.Sprintf("tell %d %s", m.ID, m.Body))
}

func TestPost(t *testing.T) {
	for _, c := range []struct {
		name   string
		body   string
		err    error
		faults faults
		log    []string
	}{
		{"a message is stored first and told second", "hi", nil, nil, []string{"store 0 hi for ann", "tell 7 hi"}},
		{"nothing is told of a message that was not stored", "hi", errStore, nil, []string{"store 0 hi for ann"}},
		{"a message that breaks a rule is neither stored nor told", "", nil, faults{"body": isEmpty}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &room{err: c.err}
			chat := &app.Chat{Messages: r, Listeners: r}
			ctx := app.WithPrincipal(t.Context(), app.Principal{UserID: 1, Username: "ann"})
			got, err := chat.Post(ctx, app.Message{Username: "ann", Type: "text", Body: c.body})
			require.Equal(t, c.log, r.log)
			switch {
			case c.faults != nil:
				requireFaults(t, c.faults, err)
				require.Zero(t, got)
			case c.err != nil:
				require.Equal(t, c.err, err, "the store's error as it is")
				require.Zero(t, got)
			default:
				require.NoError(t, err)
				require.Equal(t, app.Message{ID: 7, Version: 1, Username: "ann", Type: "text", Body: "hi"}, got)
			}
		})
	}
}
