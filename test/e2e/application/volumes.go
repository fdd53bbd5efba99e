package application

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/test/integration/harness"
)

// Volumes is a site whose database has its log on a claim of its own.
type Volumes struct {
	*Site
	claims *harness.Group
	tries  int
}

// NewVolumes is New with a claim for the log.
func NewVolumes(t *testing.T, dir string) *Volumes {
	t.Helper()
	v := &Volumes{Site: Bare(t, dir)}
	v.claims = v.Beside(Second, secondSource)
	v.Apply(v.rolesForBoth(dir)...)
	db, err := v.database("postgresql", harness.Claim, Second)
	v.Must(err)
	v.with(db)
	db.Do(Name, "CREATE EXTENSION pg_walinspect")
	return v
}

// Sync begins a sync of both claims, and waits until VolSync waits on both.
func (v *Volumes) Sync(class string) {
	v.Helper()
	v.replicateBoth(class)
	v.await(harness.Waiting)
}

// SyncAgain begins another one.
func (v *Volumes) SyncAgain() {
	v.Helper()
	for _, source := range []string{Source, secondSource} {
		v.Patch("ReplicationSource", source, map[string]any{
			"spec": map[string]any{"trigger": map[string]any{"manual": fmt.Sprint(v.tries)}},
		})
	}
	v.await(harness.Waiting)
}

func (v *Volumes) await(status string) {
	v.Helper()
	for _, m := range v.claims.Members {
		m.AwaitStatus(status)
	}
}

// TestTogether copies both claims in one freeze. run starts a run around claims, and returns what
// waits for its good end. Restored together, the copies are the database as it was in the freeze.
func (v *Volumes) TestTogether(t *testing.T, run func(claims ...string) (end func())) {
	storage := v.Hold()
	v.Sync(storage.Class())
	end := run(harness.Claim, Second)
	v.await(harness.InProgress)
	v.DB.Assert(EverybodyWaits)
	last := v.Ledger.Last() // what was written next waits
	storage.Release()
	end()
	v.Ledger.AwaitWrites()
	trigger := v.Marks().Trigger
	for _, m := range v.claims.Members {
		m.Leaves(trigger, trigger, harness.Completed)
		m.LeftUnlocked()
		want := fmt.Sprintf(`"outcome":"ok","trigger":%q`, trigger)
		if last := m.Annotations()["copytrigger/last-run"]; !strings.Contains(last, want) {
			t.Errorf("claim %s is left with %s, want %s", m.ClaimName(), last, want)
		}
	}
	if err := v.restored(last, last); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes were acknowledged before the freeze", last)
}

// TestApart copies the claims by a run each, until the two copies are no database. run makes a run
// around a claim.
func (v *Volumes) TestApart(t *testing.T, run func(claim string)) {
	v.Sync("")
	for range 5 {
		if v.tries > 0 {
			v.SyncAgain()
		}
		claims := []string{Second, harness.Claim}
		if v.tries%2 != 0 {
			slices.Reverse(claims)
		}
		least := v.Ledger.Last()
		for _, claim := range claims {
			run(claim)
			v.Ledger.AwaitMore(100)
		}
		err := v.restored(least, v.Ledger.Last())
		t.Logf("the copy of %s, then that of %s: %v", claims[0], claims[1], err)
		if err != nil {
			return
		}
	}
	t.Error("a freeze for each claim was as good as one around both: these tests show nothing")
}

// restored restores the last copies of both claims, and says what is wrong with the database: it has
// to have all numbers up to least, and none above most.
func (v *Volumes) restored(least, most int64) error {
	v.Helper()
	v.tries++
	v.awaitSynced(Source)
	v.awaitSynced(secondSource)
	name := fmt.Sprintf("restored-%d", v.tries)
	v.Restore(name)
	v.restore(secondRepository, name+"-"+Second)
	db, err := v.database(name, name, name+"-"+Second)
	if err != nil {
		return err
	}
	switch count, highest := db.Numbers(); {
	case count != highest:
		return fmt.Errorf("the copy has %d numbers up to %d", count, highest)
	case highest < least:
		return fmt.Errorf("the copy ends with %d, and %d was acknowledged before the freeze", highest, least)
	case highest > most:
		return fmt.Errorf("the copy ends with %d, and %d was the last before the freeze was over", highest, most)
	}
	return db.do(Name, checkIndexes)
}
