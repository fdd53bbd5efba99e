package handshake

// Each test here is named after something that once broke a promise. Its comment tells what
// happened before that was mended.

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A group of two is fired, and await-completed --until=cut named only one of them later: the trigger was
// not made for that one's sync, and the cut is taken for good (Recorded would refuse it); so is, with
// --copy, the record. Nobody has looked at the other claim.
func TestCutOfAGroupByOneMember(t *testing.T) {
	w, _ := cutWorld()
	both := NewTrigger(runID,
		Wait{ClaimUID: theClaim, SourceUID: theSource, SyncStart: theSync},
		Wait{ClaimUID: "another claim", SourceUID: "rs-2", SyncStart: theSync})
	w.Claim.Trigger = both.String()
	seen := Seen{ClaimUID: theClaim, Fired: true, Taken: true}
	if d := Cut(w, both, seen); d.Do == End && d.Outcome == outcome.OK {
		t.Errorf("cut: %+v", d)
	}
	w.Claim.Latest, w.Claim.Status = both.String(), StatusCompleted
	if d := Recorded(w, both, seen); d.Do == End && d.Outcome == outcome.OK {
		t.Errorf("recorded: %+v", d)
	}
	if d := Verified(w, both, seen, w.Copy.UID); d.Do == End && d.Outcome == outcome.OK {
		t.Errorf("verified: %+v", d)
	}
}

// A write of the lock hangs, and the next one is refused: the first may still come, and Locking has
// forgotten it. (Firing and Disarming remember.)
func TestLockingForgetsAWriteThatHangs(t *testing.T) {
	l := Locking{Run: runID, Process: "p"}
	l.Replied(Unknown, true)
	l.Replied(NotWritten, false)
	if !l.Doubt() {
		t.Error("no doubt about the first write, which may be under way still")
	}
}

// Fired with --pvc-only, into a wait that stands there from before, while a copy exists: VolSync records
// the trigger at once, for the old copy. await-completed without --pvc-only takes that copy for the
// proof, and says that nothing is unchecked.
func TestProofOfATriggerThatWasFiredByTheClaimAlone(t *testing.T) {
	claim := Claim{UID: theClaim, Bound: true, Enabled: true, Latest: "old", Status: StatusWaiting, Since: theWait,
		Lock: Lock{Run: runID, State: Held, Owners: "p"}}
	source := Source{Name: "rs", UID: theSource, Claim: "data", Mover: "restic", Method: "Snapshot", SyncStart: theSync}
	old := &Copy{Name: "volsync-rs-src", UID: "of before", Owner: theSource, Of: "data", Bound: true, Cut: theWait}
	trigger := NewTrigger(runID, Wait{ClaimUID: theClaim, Since: theWait, Latest: "old"})
	if d := Fire(Observed{Claim: claim, ClaimOnly: true}, trigger); d.Do != Write {
		t.Fatalf("%+v", d)
	}
	claim.Trigger, claim.Latest, claim.Status, claim.Since = trigger.String(), trigger.String(), StatusCompleted, ""
	w := Observed{Claim: claim, Sources: []Source{source}, Copy: old}
	if d := WithLock(Recorded(w, trigger, Seen{Fired: true}), claim, runID); d.Do == End && d.Outcome == outcome.OK {
		t.Errorf("%+v", d)
	}
}
