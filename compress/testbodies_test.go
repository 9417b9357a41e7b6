package compress

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// ticketJSON returns n bytes of a JSON array of tickets, as a service of issues
// answers them. The same n gives the same bytes; the array is cut at n.
func ticketJSON(n int) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 6))
	b := make([]byte, 0, n+1024)
	b = append(b, '[')
	for id := 48_213; len(b) < n; id += 1 + r.IntN(40) {
		b = appendTicket(b, r, id)
		b = append(b, ',')
	}
	return b[:n]
}

func appendTicket(b []byte, r *rand.Rand, id int) []byte {
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	words := func(n int) string {
		s := make([]string, n)
		for i := range s {
			s[i] = pick(ticketWords)
		}
		return strings.Join(s, " ")
	}
	day := func() string {
		return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02dZ", 1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
	}
	b = fmt.Appendf(b, `{"id":%d,"uuid":"%08x-%04x-4%03x-a%03x-%012x",`, id,
		r.Uint32(), r.UintN(1<<16), r.UintN(1<<12), r.UintN(1<<12), r.Uint64N(1<<48))
	b = fmt.Appendf(b, `"subject":%q,"status":%q,"priority":%d,`, words(3+r.IntN(5)),
		pick([]string{"open", "pending", "on hold", "solved", "closed"}), 1+r.IntN(4))
	b = fmt.Appendf(b, `"requester":{"name":"%s %s","email":"user%d@example.com"},`,
		pick([]string{"Ada", "Grace", "Edsger", "Barbara", "Donald", "Frances", "Ken"}),
		pick([]string{"Okafor", "Lindqvist", "Marino", "Schneider", "Tanaka", "Novak"}), r.IntN(9000))
	b = fmt.Appendf(b, `"created_at":%q,"updated_at":%q,"tags":[%q,%q],`, day(), day(), pick(ticketWords), pick(ticketWords))
	return fmt.Appendf(b, `"description":%q,"assignee_id":%d,"escalated":%t}`, words(6+r.IntN(14)), r.IntN(300), r.IntN(5) == 0)
}

var ticketWords = strings.Fields(`account after again attachment backup before billing button cannot change
	checkout click connection customer dashboard database delivery device disabled download email empty error
	expired export failed field file filter form import invoice item later link list login machine message
	missing network never notification office order page password payment permission phone please printer
	problem profile receive refund report request reset response save screen search server session setting
	shipping slow sometimes still subscription sync team test timeout token update upload user wrong`)
