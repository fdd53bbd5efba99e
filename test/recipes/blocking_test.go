package recipes

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// subject is an application that a recipe stops from writing.
type subject interface {
	database
	// secret is where it is, for the recipe.
	secret() map[string]string
	// blocked says whether the ledger's next write waits.
	blocked(b *bench) bool
	// free takes the lock away behind the recipe's back.
	free(b *bench, run *harness.Process)
	// still runs do in a state in which a copy file by file is as good as the recipe asks.
	still(b *bench, do func())
	// restored is one on a copy of the volume.
	restored(b *bench, dir string) database
}

// blocking are the recipes that stop writes.
var blocking = []struct {
	name     string // of the subtests
	recipe   string
	programs []string
	start    func(*bench) subject
	// inDoubt is how many writes may be in the copy that were not acknowledged.
	inDoubt int64
	// alone: nothing but the recipe's own limit frees it when copytrigger is killed.
	alone bool
	// lost is what the run says when the lock was taken away.
	lost string
}{
	{
		name:     "mariadb",
		recipe:   "mariadb",
		programs: []string{"mariadbd", "mariadb"},
		start:    startMariaDB,
		lost:     "the lock was lost",
	},
	{
		name:     "mysql",
		recipe:   "mysql",
		programs: []string{"mariadbd", "mysql"},
		start:    startMariaDB,
		lost:     "the lock was lost",
	},
	{name: "sqlite", recipe: "sqlite", programs: []string{"sqlite3"}, start: startSQLite, lost: "the lock was lost"},
	{
		name:     "redis",
		recipe:   "redis",
		programs: []string{"redis-server"},
		start:    startRedis(true),
		lost:     "something was written",
	},
	{
		name:     "redis-rdb",
		recipe:   "redis",
		programs: []string{"redis-server"},
		start:    startRedis(false),
		lost:     "something was written",
	},
	{
		name:     "fsfreeze",
		recipe:   "fsfreeze",
		programs: []string{"fsfreeze", "mkfs.ext4", "sqlite3"},
		start:    startFrozen,
		inDoubt:  1,
		alone:    true,
		lost:     "it was not frozen until now",
	},
}

// eachBlocking runs a test for each of them, with a ledger under way.
func eachBlocking(t *testing.T, test func(t *testing.T, b *bench, s subject, l *ledger, r *recipe, i int)) {
	for i, of := range blocking {
		t.Run(of.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, append(of.programs, "bash")...)
			s := of.start(b)
			l := b.ledger(s)
			r := b.recipe(of.recipe, s.secret())
			r.patient()
			r.sidecars(b)
			test(t, b, s, l, r, i)
		})
	}
}

// The copy has every write that was acknowledged before the freeze, and none after, and the
// application writes again.
func TestBlocked(t *testing.T) {
	t.Parallel()
	eachBlocking(t, func(t *testing.T, b *bench, s subject, l *ledger, r *recipe, i int) {
		run, held := r.begin()
		b.Eventually("a write to wait", func() bool { return s.blocked(b) })
		least := l.last()
		s.still(b, func() {
			held.Release()
			b.awaitCut()
		})
		result := run.End().Ends(harness.OK)
		l.awaitWrites(20)
		count, highest := s.restored(b, b.snapshot()).numbers(b)
		b.Must(check(count, highest, least, least+blocking[i].inDoubt))
		t.Logf(
			"%s: %d writes in the copy, %d acknowledged before, %d now; frozen %s s",
			t.Name(),
			highest,
			least,
			l.last(),
			result.Value("freeze-seconds"),
		)
	})
}

// copytrigger is killed, and the application writes again: because the lock ends with it,
// long before its limit.
func TestKilled(t *testing.T) {
	t.Parallel()
	eachBlocking(t, func(t *testing.T, b *bench, s subject, l *ledger, r *recipe, i int) {
		if blocking[i].alone {
			t.Skip("nothing of it ends with copytrigger: see TestNodeLost")
		}
		run, _ := r.begin()
		b.Eventually("a write to wait", func() bool { return s.blocked(b) })
		at := since{b: b, at: time.Now()}
		run.Kill()
		l.awaitWrites(1)
		at.within(0, "the application wrote")
	})
}

// copytrigger and all that it has started are lost together, and nobody tells the
// application: the limit that is not ours ends the freeze.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	eachBlocking(t, func(t *testing.T, b *bench, s subject, l *ledger, r *recipe, i int) {
		run, _ := r.begin("--max-freeze=" + freezeLimit.String())
		at := b.lose(run)
		l.awaitWrites(1)
		at.within(freezeLimit, "the application wrote")
	})
}

// The lock is lost before the cut: whatever VolSync says, the copy is not to be trusted. And
// the application runs.
func TestLockLost(t *testing.T) {
	t.Parallel()
	eachBlocking(t, func(t *testing.T, b *bench, s subject, l *ledger, r *recipe, i int) {
		run, held := r.begin()
		b.Eventually("a write to wait", func() bool { return s.blocked(b) })
		s.free(b, run)
		l.awaitWrites(20)
		held.Release()
		run.End().Ends(harness.Unverified).Says(blocking[i].lost)
		l.awaitWrites(1)
	})
}
