package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// partitioned replaces messages by a table in three partitions, one of them in
// two of its own, and one with a name as long as names can be.
func partitioned(t *testing.T) place {
	t.Helper()
	p := newPlace(t, onPostgres)
	p.exec(t, "DROP TABLE messages")
	p.exec(t, `CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY, username text NOT NULL, type text NOT NULL, body text NOT NULL,
		created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, version bigint NOT NULL) PARTITION BY RANGE (created_at)`)
	p.exec(t, "CREATE TABLE m_old PARTITION OF messages FOR VALUES FROM (MINVALUE) TO ('2026-01-01')")
	p.exec(t, "CREATE TABLE m_mid PARTITION OF messages FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (type)")
	p.exec(t, "CREATE TABLE m_mid_text PARTITION OF m_mid FOR VALUES IN ('text')")
	p.exec(t, "CREATE TABLE m_mid_rest PARTITION OF m_mid DEFAULT")
	p.exec(t, "CREATE TABLE "+longName+" PARTITION OF messages DEFAULT")
	return p
}

var longName = "m_" + strings.Repeat("long", 15)

// Sheet d.6: CREATE INDEX CONCURRENTLY fails on a partitioned parent.
func TestAPartitionedTableIsIndexedPartitionByPartition(t *testing.T) {
	p := partitioned(t)
	p.fill(t, 1000)
	before := p.indexes(t)
	p.migrate(t, "create").requireCode(t, exitDone)
	p.requireAll(t)
	now := p.indexes(t)
	require.Subset(t, now, made())
	require.Subset(t, now, []string{"idx_m_old_type", "idx_m_mid_type", "idx_m_mid_text_type", "idx_m_mid_rest_type"})
	require.Len(t, now, len(made())+3*5, "three indexes on each of five partitions")
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "14 to keep")

	p.exec(t, "CREATE TABLE m_new PARTITION OF messages FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
	p.requireAll(t)
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, before, p.indexes(t))
}

// An index that somebody made on a partition is not taken into ours: drop would
// take it along.
func TestSomebodyElsesIndexOnAPartitionStays(t *testing.T) {
	p := partitioned(t)
	p.exec(t, "CREATE INDEX theirs ON m_old (type)")
	p.migrate(t, "create").requireCode(t, exitDone)
	p.requireAll(t)
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, []string{"theirs"}, p.indexes(t))
}

// What a run that was stopped has made of a partitioned index is taken up.
func TestAPartitionedIndexIsTakenUpWhereARunStopped(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := partitioned(t)
	p.fill(t, 1000)
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	a := p.migrate(t, "create", "-wait", "50ms").requireCode(t, exitFailed)
	require.Contains(t, a.out, "failed: partition public.m_")
	p.invalidate(t, "CREATE INDEX CONCURRENTLY idx_m_old_type_sluice_unfinished ON m_old (type)")
	p.exec(t, "CREATE INDEX idx_m_mid_text_type_sluice_unfinished ON m_mid_text (type)")
	end()
	a = p.migrate(t, "create").requireCode(t, exitDone)
	require.Regexp(t, `finish +idx_messages_type +an earlier run was stopped`, a.out)
	p.requireAll(t)
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Empty(t, p.indexes(t))
}

// What must stop others does so for moments only.
func TestNobodyQueuesForLongBehindAPartitionedTable(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := partitioned(t)
	p.fill(t, 10)
	end := p.begin(t, "UPDATE messages SET body = 'changed' WHERE id = 1")
	defer end()
	run := p.async(t, "create")
	require.Eventually(t, func() (is bool) {
		require.NoError(t, p.db.QueryRow("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass)").Scan(&is))
		return is
	}, 20*time.Second, 10*time.Millisecond)
	start := time.Now()
	p.exec(t, "UPDATE messages SET body = 'by another' WHERE id = 2")
	require.Less(t, time.Since(start), briefLock+3*time.Second)
	end()
	run().requireCode(t, exitDone)
	p.requireAll(t)
}

// An index that is not on all partitions yet is somebody's work in progress.
func TestAnIndexOfTheParentAloneIsRefused(t *testing.T) {
	p := partitioned(t)
	p.exec(t, "CREATE INDEX idx_messages_type ON ONLY messages (type)")
	a := p.migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: it is not there on all partitions")
}

func TestNamesOfPartitionsLeaveRoom(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range []string{"m", longName, longName[:62] + "x", strings.Repeat("ü", 31)} {
		for _, columns := range [][]string{{"type"}, {"username", "created_at"}} {
			name := partitionName(table, columns)
			require.LessOrEqual(t, len(unfinishedName(name)), 63)
			require.False(t, seen[name], name)
			seen[name] = true
		}
	}
	require.True(t, seen["idx_m_type"])
}
