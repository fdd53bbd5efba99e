package handshake

import (
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A group of two is fired, and await-completed --until=cut named only one of them later: the trigger was
// not made for that one's sync, and the cut is taken for good (Recorded would refuse it); so is, with
// --copy, the record. Nobody has looked at the other claim.
func TestBreakCutOfAGroupByOneMember(t *testing.T) {
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
func TestBreakLockingForgetsAWriteThatHangs(t *testing.T) {
	l := Locking{Run: runID, Process: "p"}
	l.Replied(Unknown, true)
	l.Replied(NotWritten, false)
	if !l.Doubt() {
		t.Error("no doubt about the first write, which may be under way still")
	}
}

// Two locks by hand or of other versions that String does not give back as they were: what is compared
// with own, or left alone, is what stands there.
func TestBreakLockOfManyForms(t *testing.T) {
	for _, v := range []string{"r/held/", "r//p", "r/lost//p", "r/cleanup", "r/unheard/p/q"} {
		l := ParseLock(v)
		for _, off := range [][]string{{"p"}, {"q"}, {"p", "q"}} {
			m := l.with("me").without("me")
			if m != l && !(l.Owners == "" && m.State == Free) {
				t.Errorf("%q: with me and without me: %+v, was %+v", v, m, l)
			}
			_ = off
		}
	}
}
