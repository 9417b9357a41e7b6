package fingerprint_test

import (
	"fmt"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

func ExampleOf() {
	for _, q := range []string{
		"SELECT u.id FROM users u WHERE u.email = 'a@example.com' AND u.kind IN (1, 2)",
		"select x.ID from users as x where x.email=$1 and x.kind in ($2) -- login",
	} {
		s := fingerprint.Of(fingerprint.PostgreSQL, q)
		fmt.Printf("%016x %v reads=%t %s\n", s.ID, s.Class, s.Reads, s.Text)
	}
	// Output:
	// 8de998eb76ca785d SELECT reads=true SELECT users.id FROM users WHERE users.email = ? AND users.kind IN (?)
	// 8de998eb76ca785d SELECT reads=true SELECT users.id FROM users WHERE users.email = ? AND users.kind IN (?)
}
