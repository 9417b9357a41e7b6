// Command server is the reference service of sluice: messages, projects,
// tickets, files and users over REST, a chat over a WebSocket, and an AI
// endpoint that answers from the messages. It needs nothing but Go:
//
//	go run ./examples/server
//
// It is a template. The domain is in app, what surrounds it in packages named
// by technology, and how it all fits together in routes.go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains the server. From then on a second one is the
	// operating system's to handle: it ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
