package dbmon

import "cmp"

// usage says how much a query is worth its place.
type usage struct {
	times uint64 // that it was used, halved from time to time
	age   uint64 // of the table when it was last used
}

func (u usage) compare(o usage) int {
	return cmp.Or(cmp.Compare(u.times, o.times), cmp.Compare(u.age, o.age))
}

// The heap of a table is ordered by the usage that was last seen of each query.
// Calls raise the usage without a word, as they must not wait for each other. The
// usage that was seen is thus a lower bound, and the first of the heap is the
// least used if its bound is exact.

// leastUsed corrects bounds until the first of the heap is the least used.
func (t *table) leastUsed() *query {
	for {
		q := t.heap[0]
		q.mu.Lock()
		used := q.used
		q.mu.Unlock()
		if used == q.seen {
			return q
		}
		q.seen = used
		t.down(0)
		if t.heap[0] == q {
			return q // whatever it is used meanwhile
		}
	}
}

func (t *table) push(q *query) {
	t.heap = append(t.heap, q)
	for i := len(t.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if t.heap[parent].seen.compare(t.heap[i].seen) <= 0 {
			return
		}
		t.heap[parent], t.heap[i] = t.heap[i], t.heap[parent]
		i = parent
	}
}

// pop removes the first.
func (t *table) pop() {
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap[last] = nil
	t.heap = t.heap[:last]
	t.down(0)
}

// down moves a query whose usage has grown to where it belongs.
func (t *table) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.heap[child].seen.compare(t.heap[least].seen) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		t.heap[least], t.heap[i] = t.heap[i], t.heap[least]
		i = least
	}
}

// halfLife is after how many newcomers usage is halved.
func (t *table) halfLife() uint64 { return 4 * uint64(t.max) }

// remembered is what the usage of a query has become since it was evicted.
func (t *table) remembered(u usage) uint64 {
	return u.times >> min(t.admitted.Load()/t.halfLife()-u.age/t.halfLife(), 63)
}

// halve halves what queries were used. What was used at all stays above nothing.
func (t *table) halve() {
	for _, q := range t.heap {
		q.mu.Lock()
		q.used.times -= q.used.times / 2
		q.seen = q.used
		q.mu.Unlock()
	}
	for i := len(t.heap)/2 - 1; i >= 0; i-- {
		t.down(i)
	}
}
