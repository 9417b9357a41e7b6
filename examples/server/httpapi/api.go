package httpapi

import (
	"cmp"
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
}

// API serves the routes under /api/.
type API struct {
	store     app.Store
	chat      *app.Chat
	library   *app.Library
	assistant *app.Assistant
	logger    *slog.Logger

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
	return &API{
		store:         o.Store,
		chat:          o.Chat,
		library:       o.Library,
		assistant:     o.Assistant,
		logger:        cmp.Or(o.Logger, slog.Default()),
		maxUpload:     cmp.Or(o.MaxUpload, 10<<20),
		secureCookies: o.SecureCookies,
		crossOrigin:   http.NewCrossOriginProtection(),
		passwords:     passwords{newGate(hashers, 32, 3*time.Second)},
		asks:          newGate(cmp.Or(o.MaxAsks, 4), 0, 0),
	}, nil
}
