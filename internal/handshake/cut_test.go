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
		"cut":                      {func(*Observed) {}, End, outcome.OK, "volsync-rs-src was cut at " + theWait},
		"a problem since":          {func(w *Observed) { w.Copy.Problem = "slow" }, End, outcome.OK, "was cut"},
		"recorded":                 {func(w *Observed) { w.Claim.Latest, w.Claim.Status, w.Copy = w.Claim.Trigger, StatusCompleted, nil }, Look, "", "recorded the trigger, but there is no copy"},
		"recorded, with its copy":  {func(w *Observed) { w.Claim.Latest, w.Claim.Status = w.Claim.Trigger, StatusCompleted }, End, outcome.OK, "recorded"},
		"no copy":                  {func(w *Observed) { w.Copy = nil }, Look, "", "no VolumeSnapshot yet"},
		"not cut":                  {func(w *Observed) { w.Copy.Cut = "" }, Look, "", "not cut yet"},
		"not cut, with a problem":  {func(w *Observed) { w.Copy.Cut, w.Copy.Problem = "", "no space" }, Look, "", "reports for volsync-rs-src: no space"},
		"not bound":                {func(w *Observed) { w.Copy.Bound = false }, Look, "", "not cut yet"},
		"being deleted":            {func(w *Observed) { w.Copy.Deleting = true }, Look, "", "being deleted"},
		"somebody's":               {func(w *Observed) { w.Copy.Owner = "" }, Look, "", "not VolSync's copy"},
		"another source's":         {func(w *Observed) { w.Copy.Owner = "other" }, Look, "", "not VolSync's copy"},
		"of another claim":         {func(w *Observed) { w.Copy.Of = "other" }, Look, "", "not VolSync's copy"},
		"VolSync has not taken it": {func(w *Observed) { w.Claim.Status = StatusWaiting }, Look, "", "has not taken the trigger"},
		"another trigger":          {func(w *Observed) { w.Claim.Trigger = "other" }, End, outcome.Tainted, "replaced"},
		"taken back":               {func(w *Observed) { w.Claim.Trigger = "old" }, End, outcome.Tainted, "took the trigger back"},
		"another claim":            {func(w *Observed) { w.Claim.UID = "other" }, End, outcome.Unverified, "created again"},
		"two sources":              {func(w *Observed) { w.Sources = append(w.Sources, w.Sources[0]) }, Look, "", "is copying"},
		"a clone":                  {func(w *Observed) { w.Sources[0].Method = "Clone" }, End, outcome.Refused, "nobody sees the cut"},
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
		"not recorded yet":             {func(*Observed) {}, Look, "", "copying"},
		"recorded":                     {recorded, End, outcome.OK, "recorded"},
		"recorded, and being deleted":  {func(w *Observed) { recorded(w); w.Copy.Deleting = true }, End, outcome.OK, "recorded"},
		"recorded, of another copy":    {func(w *Observed) { recorded(w); w.Copy.UID = "copy-2" }, End, outcome.Unverified, "another one (uid copy-2)"},
		"recorded, and no copy":        {func(w *Observed) { recorded(w); w.Copy = nil }, End, outcome.Unverified, "cannot be told for which copy"},
		"not recorded, another copy":   {func(w *Observed) { w.Copy.UID = "copy-2" }, End, outcome.Unverified, "is gone"},
		"not recorded, no copy":        {func(w *Observed) { w.Copy = nil }, End, outcome.Unverified, "there is none"},
		"not recorded, being deleted":  {func(w *Observed) { w.Copy.Deleting = true }, End, outcome.Unverified, "being deleted"},
		"somebody's trigger":           {func(w *Observed) { w.Claim.Trigger = "other" }, End, outcome.Tainted, "replaced"},
		"somebody's trigger, recorded": {func(w *Observed) { w.Claim.Trigger, w.Claim.Latest, w.Claim.Status = "other", "other", StatusCompleted }, End, outcome.Unverified, "other"},
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
