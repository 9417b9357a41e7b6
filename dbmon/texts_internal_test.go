package dbmon

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

func textsOf(t testing.TB, most int) *texts {
	tab, _ := tableOf(t, most)
	return newTexts(tab, SQLite)
}

func (x *texts) kept(sql string) bool {
	for i := range x.sets {
		for j := range x.sets[i].texts {
			if t := x.sets[i].texts[j].Load(); t != nil && t.sql == sql {
				return true
			}
		}
	}
	return false
}

// weigh counts what is kept.
func (x *texts) weigh() (texts, bytes int) {
	for i := range x.sets {
		for j := range x.sets[i].texts {
			if t := x.sets[i].texts[j].Load(); t != nil {
				texts++
				bytes += len(t.sql)
			}
		}
	}
	return texts, bytes
}

func TestATextHasTheQueryOfItsFingerprint(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	x := textsOf(t, 20)
	for range 20000 {
		sql := fmt.Sprintf("SELECT c%d FROM t WHERE id = %d", r.IntN(40), r.IntN(50))
		q := x.lookup(sql)
		require.Equal(t, fingerprint.Of(fingerprint.SQLite, sql), q.Statement)
		require.NotNil(t, q.row.Load(), "a query that is used is in the table")
	}
}

func TestTextsOfOneQueryShareIt(t *testing.T) {
	x := textsOf(t, 20)
	require.Same(t, x.lookup("SELECT a FROM t WHERE id = 1"), x.lookup("select a from t where id=22 -- again"))
}

func TestATextWhoseQueryWasEvictedLeadsToTheOneThatCounts(t *testing.T) {
	x := textsOf(t, 1)
	one, two, other := "SELECT a FROM t WHERE id = 1", "SELECT a FROM t WHERE id = 2", "SELECT b FROM t"
	q := x.lookup(one)
	x.lookup(other)
	require.Nil(t, q.row.Load())
	again := x.lookup(two)
	require.Same(t, again, x.lookup(one))
	require.NotNil(t, again.row.Load())
}

// Trap (f): one-off texts must not evict hot ones.
func TestTextsThatComeOnceDoNotPushOutThoseThatComeOften(t *testing.T) {
	x := textsOf(t, 100)
	var hot []string
	for i := range 200 {
		hot = append(hot, fmt.Sprintf("SELECT a FROM hot WHERE id = %d", i))
	}
	for range 3 {
		for _, sql := range hot {
			x.lookup(sql)
		}
	}
	var kept []string
	for _, sql := range hot { // a set that has too many of them cannot keep all
		if x.kept(sql) {
			kept = append(kept, sql)
		}
	}
	require.Greater(t, len(kept), 190)
	for i := range 30000 {
		x.lookup(fmt.Sprintf("SELECT a FROM once WHERE id = %d", i))
		if i%10 == 0 {
			x.lookup(kept[i/10%len(kept)])
		}
	}
	for _, sql := range kept {
		require.True(t, x.kept(sql), sql)
	}
}

func TestATextThatComesOftenGetsInThoughAllIsFull(t *testing.T) {
	x := textsOf(t, 100)
	for i := range 20000 {
		x.lookup(fmt.Sprintf("SELECT a FROM once WHERE id = %d", i))
	}
	n, _ := x.weigh()
	require.Equal(t, len(x.sets)*places, n, "full")
	for i := range 100 {
		sql := fmt.Sprintf("SELECT a FROM late WHERE id = %d", i)
		for range 4 {
			x.lookup(sql)
		}
		require.True(t, x.kept(sql), sql)
	}
}

func TestTextsAreBoundedInNumberAndBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	x := textsOf(t, 10)
	for i := range 3000 {
		length := r.IntN(8 << 10)
		sql := fmt.Sprintf("SELECT a FROM t WHERE id = %d AND s = '%s'", i, strings.Repeat("x", length))
		for range 1 + r.IntN(3) {
			x.lookup(sql)
		}
		n, bytes := x.weigh()
		require.LessOrEqual(t, n, len(x.sets)*places)
		require.EqualValues(t, bytes, x.bytes.Load())
		require.LessOrEqual(t, bytes, int(x.budget)+len(sql), "one text over, until the next turn")
	}
	require.Positive(t, x.bytes.Load())
}

func TestATextLongerThan64KBIsNotKept(t *testing.T) {
	x := textsOf(t, 10)
	long := "SELECT a FROM t WHERE s = '" + strings.Repeat("x", maxText) + "'"
	q := x.lookup(long)
	require.Same(t, q, x.lookup(long))
	require.Equal(t, "SELECT a FROM t WHERE s = ?", q.Text)
	require.False(t, x.kept(long))
}

func TestAKeptTextIsNoPartOfTheCallersMemory(t *testing.T) {
	x := textsOf(t, 10)
	file := strings.Repeat(" ", 1<<20) + "SELECT a FROM t"
	sql := file[1<<20:]
	x.lookup(sql)
	for i := range x.sets {
		for j := range x.sets[i].texts {
			if k := x.sets[i].texts[j].Load(); k != nil {
				require.Equal(t, sql, k.sql)
				require.False(t, unsafe.StringData(sql) == unsafe.StringData(k.sql))
				return
			}
		}
	}
	require.Fail(t, "not kept")
}

func TestManyGoroutinesMayLookUpTexts(t *testing.T) {
	x := textsOf(t, 4)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(g)))
			for range 3000 {
				n := r.IntN(8)
				sql := fmt.Sprintf("SELECT c%d FROM t WHERE id = %d", n, r.IntN(20))
				if want := fmt.Sprintf("SELECT c%d FROM t WHERE id = ?", n); x.lookup(sql).Text != want {
					t.Errorf("%s is not %s", sql, want)
				}
			}
		})
	}
	wg.Wait()
	_, bytes := x.weigh()
	require.EqualValues(t, bytes, x.bytes.Load())
}

func TestLookingUpAKeptTextAllocatesNothing(t *testing.T) {
	x := textsOf(t, 10)
	sql := "SELECT a, b, c FROM t WHERE id = ? AND owner_id = ?"
	x.lookup(sql)
	require.Zero(t, testing.AllocsPerRun(1000, func() { x.lookup(sql) }))
}

func TestASetFillsWholeLinesOfACache(t *testing.T) {
	require.EqualValues(t, 128, unsafe.Sizeof(textSet{}))
}
