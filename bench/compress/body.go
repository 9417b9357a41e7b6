package compress

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// What the tickets of a help desk are about.
var words = strings.Fields(`the a to of and in is it for on with not that this when after we our please order
invoice payment refund account password login error page printer delivery address update customer since
yesterday cannot failed screen shows message tried again twice still waiting urgent changed email phone number
device browser Firefox Chrome attached screenshot report export table missing wrong amount currency discount
subscription cancelled renew monthly yearly plan upgrade team member invited never received link expired`)

var (
	states     = []string{"open", "pending", "on_hold", "solved", "closed"}
	priorities = []string{"low", "normal", "high", "urgent"}
)

// tickets is a JSON array of size bytes, the same each time. Ids are random, as
// real ones are: they are what does not compress.
func tickets(size int) []byte {
	var b strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	for separator := "["; b.Len() < size; separator = "," {
		fmt.Fprintf(&b, `%s{"id":"%08x-%04x-4%03x-a%03x-%012x","number":%d,"state":%q,"priority":%q,"requester":{"id":%d,"email":"%s.%s@example.com"},"subject":%q,"created_at":"2026-%02d-%02dT%02d:%02d:%02dZ","description":%q,"comments":%d}`,
			separator, r.Uint32(), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), r.Uint64N(1<<48), 10000+r.IntN(90000),
			pick(r, states), pick(r, priorities), r.IntN(1e6), pick(r, words), pick(r, words), sentence(r, 4+r.IntN(4)),
			1+r.IntN(12), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), sentence(r, 8+r.IntN(20)), r.IntN(30))
	}
	return []byte(b.String()[:size-1] + "]")
}

func sentence(r *rand.Rand, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = pick(r, words)
	}
	return strings.Join(all, " ")
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// Of the stream: what a program for a chat sends, one part of an answer at a time.
const (
	eventCount = 100
	eventSize  = 286
)

// events are of the same length, and no two are equal.
func events() (all [eventCount][]byte) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range all {
		head := fmt.Sprintf("id: %d\nevent: delta\ndata: {\"index\":%d,\"at\":\"2026-11-23T12:%02d:%02dZ\",\"text\":\"", 1000+i, i, i/60, i%60)
		text := sentence(r, 60)
		const tail = "\"}\n\n"
		all[i] = []byte(head + text[:eventSize-len(head)-len(tail)] + tail)
	}
	return all
}
