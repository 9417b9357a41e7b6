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
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
