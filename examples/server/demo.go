package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/examples/server/app"
)

// demo are two faults to look at in the log, in the metrics and at
// /debug/queries of the operators' address. They exist in development alone.
func (s *server) demo(mux *http.ServeMux) []string {
	mux.HandleFunc("GET /demo/slow", s.slowQuery)
	mux.HandleFunc("GET /demo/n-plus-one", s.nPlusOne)
	return []string{"GET /demo/slow", "GET /demo/n-plus-one"}
}

// slowQuery lets the database count, further and further until it takes a while.
func (s *server) slowQuery(w http.ResponseWriter, r *http.Request) {
	ctx, done := dbmon.Track(r.Context(), "count_slowly")
	defer done()
	var counted int64
	var err error
	for to, took := 200_000, time.Duration(0); took < 150*time.Millisecond && err == nil; to *= 8 {
		start := time.Now()
		err = s.store.DB().QueryRowContext(ctx, fmt.Sprintf(`WITH RECURSIVE numbers(n) AS (
			SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %d) SELECT count(*) FROM numbers`, to)).Scan(&counted)
		took = time.Since(start)
	}
	s.answerDemo(w, map[string]int64{"counted": counted}, err)
}

// nPlusOne asks for tickets, and then again for each of them.
func (s *server) nPlusOne(w http.ResponseWriter, r *http.Request) {
	page, err := s.store.ListTickets(r.Context(), app.TicketFilter{}, app.PageRequest{Limit: 20})
	tickets := make([]app.Ticket, 0, len(page.Items))
	for _, t := range page.Items {
		if t, err = s.store.GetTicket(r.Context(), t.ID); err != nil {
			break
		}
		tickets = append(tickets, t)
	}
	s.answerDemo(w, tickets, err)
}

func (s *server) answerDemo(w http.ResponseWriter, v any, err error) {
	if err != nil {
		s.logger.Error("demo", "error", err)
		http.Error(w, "the database did not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
