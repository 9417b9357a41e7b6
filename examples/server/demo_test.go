package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// exerciseDemo looks for the two faults where operators would.
func exerciseDemo(t *testing.T, c, ops *client) {
	t.Helper()
	require.GreaterOrEqual(t, c.get("/demo/slow", 200)["counted"], 200_000.0)
	res, tickets := c.do("GET", "/demo/n-plus-one", nil, nil)
	require.Equal(t, 200, res.StatusCode, tickets)
	require.Contains(t, res.Header.Get("Server-Timing"), "n+1;")

	page := ops.get("/debug/queries?format=json", 200)
	found := map[string]map[string]any{}
	for _, q := range page["queries"].([]any) {
		q := q.(map[string]any)
		for _, text := range []string{"WITH RECURSIVE numbers", "FROM tickets WHERE id = ?"} {
			if strings.Contains(q["text"].(string), text) && q["operation"] == "SELECT" {
				found[text] = q
			}
		}
	}
	slow, repeated := found["WITH RECURSIVE numbers"], found["FROM tickets WHERE id = ?"]
	require.NotNil(t, slow)
	require.GreaterOrEqual(t, slow["slow"], 1.0)
	require.GreaterOrEqual(t, slow["max_ns"], float64(100*time.Millisecond))
	require.NotNil(t, repeated)
	require.GreaterOrEqual(t, repeated["n_plus_one"], 1.0)
	require.Eventually(t, func() bool { // it is asked for in the background
		for _, q := range ops.get("/debug/queries?format=json", 200)["queries"].([]any) {
			if q := q.(map[string]any); q["id"] == slow["id"] && q["plan"] != nil {
				return true
			}
		}
		return false
	}, 20*time.Second, 50*time.Millisecond, "no plan of the slow query")
	_, html := ops.do("GET", "/debug/queries", nil, map[string]string{"Accept": "text/html"})
	require.Contains(t, html, "WITH RECURSIVE numbers")
	require.Contains(t, html, "count_slowly")
}
