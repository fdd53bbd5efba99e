package handshake

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// cutWorld is a world in which VolSync copies for ours, and its snapshot has been cut.
func cutWorld() (Observed, Trigger) {
	t := NewTrigger(runID, Wait{ClaimUID: theClaim, SourceUID: theSource, SyncStart: theSync})
	return Observed{
		Claim: Claim{UID: theClaim, Enabled: true, Trigger: t.String(), Latest: "old", Status: StatusInProgress},
		Sources: []Source{
			{Name: "rs", UID: theSource, Claim: "data", Mover: "restic", Method: "Snapshot", SyncStart: theSync},
		},
		Copy: &Copy{Name: "volsync-rs-src", UID: "copy-1", Owner: theSource, Of: "data", Bound: true, Cut: theWait},
	}, t
}

// Only a cut of VolSync's own copy for our trigger lets the application run again before
// VolSync has recorded it. Each row but the first two takes away one of the reasons.
func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Observed)
		do      Do
		outcome outcome.Outcome
		why     string
	}{
		"cut": {
			change:  func(*Observed) {},
			do:      End,
			outcome: outcome.OK,
			why:     "volsync-rs-src was cut at " + theWait,
		},
		"a problem since": {
			change: func(w *Observed) { w.Copy.Problem = "slow" },
			do:     End, outcome: outcome.OK, why: "was cut",
		},
		"recorded": {
			change: func(w *Observed) { w.Claim.Latest, w.Claim.Status, w.Copy = w.Claim.Trigger, StatusCompleted, nil },
			do:     Look,
			why:    "recorded the trigger, but there is no copy",
		},
		"recorded, with its copy": {
			change: func(w *Observed) { w.Claim.Latest, w.Claim.Status = w.Claim.Trigger, StatusCompleted },
			do:     End, outcome: outcome.OK, why: "recorded",
		},
		"no copy": {change: func(w *Observed) { w.Copy = nil }, do: Look, why: "no VolumeSnapshot yet"},
		"not cut": {change: func(w *Observed) { w.Copy.Cut = "" }, do: Look, why: "not cut yet"},
		"not cut, with a problem": {
			change: func(w *Observed) { w.Copy.Cut, w.Copy.Problem = "", "no space" },
			do:     Look,
			why:    "reports for volsync-rs-src: no space",
		},
		"not bound":     {change: func(w *Observed) { w.Copy.Bound = false }, do: Look, why: "not cut yet"},
		"being deleted": {change: func(w *Observed) { w.Copy.Deleting = true }, do: Look, why: "being deleted"},
		"somebody's":    {change: func(w *Observed) { w.Copy.Owner = "" }, do: Look, why: "not VolSync's copy"},
		"another source's": {
			change: func(w *Observed) { w.Copy.Owner = "other" },
			do:     Look,
			why:    "not VolSync's copy",
		},
		"of another claim": {change: func(w *Observed) { w.Copy.Of = "other" }, do: Look, why: "not VolSync's copy"},
		"VolSync has not taken it": {
			change: func(w *Observed) { w.Claim.Status = StatusWaiting },
			do:     Look,
			why:    "has not taken the trigger",
		},
		"another trigger": {
			change: func(w *Observed) { w.Claim.Trigger = "other" },
			do:     End, outcome: outcome.Tainted, why: "replaced",
		},
		"taken back": {
			change: func(w *Observed) { w.Claim.Trigger = "old" },
			do:     End, outcome: outcome.Tainted, why: "took the trigger back",
		},
		"another claim": {
			change: func(w *Observed) { w.Claim.UID = "other" },
			do:     End, outcome: outcome.Unverified, why: "created again",
		},
		"two sources": {
			change: func(w *Observed) { w.Sources = append(w.Sources, w.Sources[0]) },
			do:     Look,
			why:    "is copying",
		},
		"a clone": {
			change: func(w *Observed) { w.Sources[0].Method = "Clone" },
			do:     End, outcome: outcome.Refused, why: "nobody sees the cut",
		},
	} {
		w, trigger := cutWorld()
		c.change(&w)
		d := Cut(w, trigger, Seen{ClaimUID: theClaim, Fired: true, Taken: true})
		if d.Do != c.do || d.Outcome != c.outcome || !strings.Contains(d.Why, c.why) {
			t.Errorf("%s: got %+v, want %v %s %q", name, d, c.do, c.outcome, c.why)
		}
	}
}

// After the freeze, only the record for the copy that was cut in it is good.
func TestVerified(t *testing.T) {
	recorded := func(w *Observed) { w.Claim.Latest, w.Claim.Status = w.Claim.Trigger, StatusCompleted }
	for name, c := range map[string]struct {
		change  func(*Observed)
		do      Do
		outcome outcome.Outcome
		why     string
	}{
		"not recorded yet": {change: func(*Observed) {}, do: Look, why: "copying"},
		"recorded":         {change: recorded, do: End, outcome: outcome.OK, why: "recorded"},
		"recorded, and being deleted": {
			change: func(w *Observed) { recorded(w); w.Copy.Deleting = true },
			do:     End, outcome: outcome.OK, why: "recorded",
		},
		"recorded, of another copy": {
			change: func(w *Observed) { recorded(w); w.Copy.UID = "copy-2" },
			do:     End, outcome: outcome.Unverified, why: "another one (uid copy-2)",
		},
		"recorded, and no copy": {
			change:  func(w *Observed) { recorded(w); w.Copy = nil },
			do:      End,
			outcome: outcome.Unverified,
			why:     "cannot be told for which copy",
		},
		"not recorded, another copy": {
			change: func(w *Observed) { w.Copy.UID = "copy-2" },
			do:     End, outcome: outcome.Unverified, why: "is gone",
		},
		"not recorded, no copy": {
			change: func(w *Observed) { w.Copy = nil },
			do:     End, outcome: outcome.Unverified, why: "there is none",
		},
		"not recorded, being deleted": {
			change: func(w *Observed) { w.Copy.Deleting = true },
			do:     End, outcome: outcome.Unverified, why: "being deleted",
		},
		"somebody's trigger": {
			change: func(w *Observed) { w.Claim.Trigger = "other" },
			do:     End, outcome: outcome.Tainted, why: "replaced",
		},
		"somebody's trigger, recorded": {
			change: func(w *Observed) { w.Claim.Trigger, w.Claim.Latest, w.Claim.Status = "other", "other", StatusCompleted },
			do:     End, outcome: outcome.Unverified, why: "other",
		},
	} {
		w, trigger := cutWorld()
		c.change(&w)
		d := Verified(w, trigger, Seen{ClaimUID: theClaim, Fired: true, Taken: true}, "copy-1")
		if d.Do != c.do || d.Outcome != c.outcome || !strings.Contains(d.Why, c.why) {
			t.Errorf("%s: got %+v, want %v %s %q", name, d, c.do, c.outcome, c.why)
		}
	}
}

func TestNoCut(t *testing.T) {
	w, _ := cutWorld()
	if d := NoCut(w); d.Outcome != outcome.OK {
		t.Errorf("got %+v", d)
	}
	w.Sources[0].Method = "Clone"
	if d := NoCut(w); d.Outcome != outcome.Refused || !strings.Contains(d.Hint, "--until=cut") {
		t.Errorf("got %+v", d)
	}
	if d := NoCut(Observed{ClaimOnly: true}); d.Outcome != outcome.OK {
		t.Errorf("got %+v", d)
	}
}
