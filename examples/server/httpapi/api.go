package httpapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// Options are the parts and limits of an [API].
type Options struct {
	Store     app.Store      // Required.
	Chat      *app.Chat      // Required.
	Library   *app.Library   // Required.
	Assistant *app.Assistant // Required.

	Logger        *slog.Logger // Default: slog.Default().
	MaxUpload     int64        // Bytes of the largest file. Default: 10 MiB.
	MaxAsks       int          // Answers generated at the same time. Default: 4.
	SecureCookies bool         // Set it wherever clients come over HTTPS. Default: false.

	Hooks Hooks // Default: none.
}

// Hooks are told what happens, so that it can be measured. They must not block.
type Hooks struct {
	// OnUpload is told of each file: the type found in its bytes and their number,
	// or the reason for which it was refused. Default: nobody is told.
	OnUpload func(fileType string, size int64, refused string)
	// OnError is told of each error that became an answer. Default: nobody is told.
	OnError func(kind, component string)
	// OnLimit is told of each decision about a login or a question. Default:
	// nobody is told.
	OnLimit func(ctx context.Context, policy string, allowed bool)
	// OnRevalidate is told whether the copy that a client has is still the
	// current one. Default: nobody is told.
	OnRevalidate func(ctx context.Context, current bool)
}

func (h Hooks) withDefaults() Hooks {
	if h.OnUpload == nil {
		h.OnUpload = func(string, int64, string) {}
	}
	if h.OnError == nil {
		h.OnError = func(string, string) {}
	}
	if h.OnLimit == nil {
		h.OnLimit = func(context.Context, string, bool) {}
	}
	if h.OnRevalidate == nil {
		h.OnRevalidate = func(context.Context, bool) {}
	}
	return h
}

// API serves the routes under /api/.
type API struct {
	store     app.Store
	chat      *app.Chat
	library   *app.Library
	assistant *app.Assistant
	logger    *slog.Logger
	hooks     Hooks

	maxUpload     int64
	secureCookies bool
	crossOrigin   *http.CrossOriginProtection
	passwords     passwords
	asks          *gate
}

// New checks the options and returns an API. It starts no goroutine.
func New(o Options) (*API, error) {
	var faults []error
	require := func(ok bool, field, reason string) {
		if !ok {
			faults = append(faults, errors.New("httpapi: "+field+": "+reason))
		}
	}
	require(o.Store != nil, "Store", "is required")
	require(o.Chat != nil, "Chat", "is required")
	require(o.Library != nil, "Library", "is required")
	require(o.Assistant != nil, "Assistant", "is required")
	require(o.MaxUpload >= 0, "MaxUpload", "must not be negative")
	require(o.MaxAsks >= 0, "MaxAsks", "must not be negative")
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	// Half of the processors stay free for everyone who is logged in already.
	hashers := max(1, runtime.GOMAXPROCS(0)/2)
	hooks := o.Hooks.withDefaults()
	return &API{
		store:         o.Store,
		chat:          o.Chat,
		library:       o.Library,
		assistant:     o.Assistant,
		logger:        cmp.Or(o.Logger, slog.Default()),
		hooks:         hooks,
		maxUpload:     cmp.Or(o.MaxUpload, 10<<20),
		secureCookies: o.SecureCookies,
		crossOrigin:   http.NewCrossOriginProtection(),
		passwords:     passwords{newGate("login", hashers, 32, 3*time.Second, hooks.OnLimit)},
		asks:          newGate("ask", cmp.Or(o.MaxAsks, 4), 0, 0, hooks.OnLimit),
	}, nil
}
