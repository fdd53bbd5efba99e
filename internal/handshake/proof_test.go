package handshake

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Each row but the good ones takes away one of the reasons to believe a record.
func TestRecorded(t *testing.T) {
	over := func(w *Observed, ended string) {
		w.Copy, w.Sources[0].SyncStart, w.Sources[0].LastSyncStart = nil, "", ended
	}
	source := func(f func(*Source)) func(*Observed) { return func(w *Observed) { f(&w.Sources[0]) } }
	for name, c := range map[string]struct {
		change func(*Observed)
		why    string // "": it is proved
	}{
		"its copy":                     {func(*Observed) {}, ""},
		"its copy, being deleted":      {func(w *Observed) { w.Copy.Deleting = true }, ""},
		"its copy, the trigger tidied": {func(w *Observed) { w.Claim.Trigger = "" }, ""},
		"a clone": {
			func(w *Observed) { w.Sources[0].Method, w.Copy.Of, w.Copy.Cut = "Clone", "", "" },
			"",
		},
		"the sync is over": {func(w *Observed) { over(w, theSync) }, ""},
		"it is over, and another waits": {
			func(w *Observed) { over(w, theSync); w.Sources[0].SyncStart = "later"; w.Claim.Status = StatusWaiting },
			"",
		},
		"only the claim":              {func(w *Observed) { *w = Observed{Claim: w.Claim, ClaimOnly: true} }, ""},
		"no copy":                     {func(w *Observed) { w.Copy = nil }, "there is no copy"},
		"no sync, and none has ended": {func(w *Observed) { over(w, "") }, "neither runs nor has just ended"},
		"another sync has ended":      {func(w *Observed) { over(w, "earlier") }, "neither runs nor has just ended"},
		"another sync runs": {
			source(func(s *Source) { s.SyncStart = "later" }),
			"neither runs nor has just ended",
		},
		"an earlier one ended, no copy": {
			func(w *Observed) { w.Copy, w.Sources[0].LastSyncStart = nil, theSync },
			"there is no copy",
		},
		"another source": {source(func(s *Source) { s.UID = "other" }), "neither runs nor has just ended"},
		"no source":      {func(w *Observed) { w.Sources = nil }, "no ReplicationSource"},
		"two sources": {
			func(w *Observed) { w.Sources = append(w.Sources, Source{Name: "b"}) },
			"2 ReplicationSources copy the claim: rs, b",
		},
		"another trigger since": {
			func(w *Observed) { w.Claim.Trigger, w.Claim.Status = "x", StatusInProgress },
			`set the trigger "x" since`,
		},
		"somebody's copy":         {func(w *Observed) { w.Copy.Owner = "other" }, "not VolSync's copy"},
		"a copy of another claim": {func(w *Observed) { w.Copy.Of = "other" }, "not VolSync's copy"},
		"not bound":               {func(w *Observed) { w.Copy.Bound = false }, "is not bound"},
		"not cut":                 {func(w *Observed) { w.Copy.Cut = "" }, "is not cut"},
		"a clone that is not bound": {
			func(w *Observed) { w.Sources[0].Method, w.Copy.Of, w.Copy.Bound = "Clone", "", false },
			"is not bound",
		},
		"a clone that is somebody else's": {
			func(w *Observed) { w.Sources[0].Method, w.Copy.Owner = "Clone", "x" },
			"not VolSync's copy",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := cutWorld()
			trigger := NewTrigger(runID, Wait{ClaimUID: theClaim, SourceUID: theSource, SyncStart: theSync, Since: theWait})
			w.Claim.Trigger, w.Claim.Latest, w.Claim.Status = trigger.String(), trigger.String(), StatusCompleted
			c.change(&w)
			d := Recorded(w, trigger, Seen{ClaimUID: theClaim, Fired: true, Taken: true})
			if proved := d.Do == End && d.Outcome == outcome.OK; proved != (c.why == "") ||
				!proved && (d.Do != Look || !strings.Contains(d.Why, c.why)) {
				t.Errorf("%+v, want it not proved for %q", d, c.why)
			}
		})
	}
}

// A trigger tells the syncs that it was made over from others, whatever has been recorded since.
func TestTriggerIsOfItsSyncs(t *testing.T) {
	waits := someWaits()
	trigger := NewTrigger(runID, waits...)
	for i := range waits {
		waits[i].Since, waits[i].Latest = "", "later"
	}
	if !trigger.isOf(waits[2], waits[0], waits[1]) || trigger.isOf(waits[:2]...) {
		t.Error("it does not know its syncs")
	}
	for i := range waits {
		for name, change := range map[string]func(*Wait){
			"claim":  func(w *Wait) { w.ClaimUID = "x" },
			"source": func(w *Wait) { w.SourceUID = "x" },
			"sync":   func(w *Wait) { w.SyncStart = "x" },
		} {
			others := someWaits()
			change(&others[i])
			if trigger.isOf(others...) {
				t.Errorf("wait %d: another %s is taken for its own", i, name)
			}
		}
	}
}
