package handshake

import (
	"strings"
	"testing"
)

// Of several obstacles await-waiting tells the one first that a person has to remove first.
func TestObstaclesInOrder(t *testing.T) {
	deleting := &Copy{Name: "c", Deleting: true}
	for name, c := range map[string]struct {
		change func(*Observed)
		first  string
		then   string
	}{
		"not bound, and not waiting": {
			change: func(w *Observed) { w.Claim.Bound, w.Claim.Status = false, StatusCompleted },
			first:  "VolSync does not wait yet", then: "there is nothing to copy",
		},
		"armed, and of no ReplicationSource": {
			change: func(w *Observed) { w.Claim.Trigger, w.Sources = "foreign", nil },
			first:  "is armed", then: "no ReplicationSource has it",
		},
		"paused, and idle": {
			change: func(w *Observed) { w.Sources[0].Paused, w.Sources[0].SyncStart = true, "" },
			first:  "is paused", then: "no sync running",
		},
		"idle, and a copy that is being deleted": {
			change: func(w *Observed) { w.Sources[0].SyncStart, w.Copy = "", deleting },
			first:  "no sync running", then: "is being deleted",
		},
		"a copy that is being deleted, and not waiting": {
			change: func(w *Observed) { w.Copy, w.Claim.Status = deleting, StatusCompleted },
			first:  "is being deleted", then: "does not wait yet",
		},
		"a copy that is left over, and not waiting": {
			change: func(w *Observed) { w.Copy, w.Claim.Status = &Copy{Name: "left"}, StatusCompleted },
			first:  "left", then: "does not wait yet",
		},
		"a name that is too long, and paused": {
			change: func(w *Observed) { w.Sources[0].Name, w.Sources[0].Paused = strings.Repeat("x", 242), true },
			first:  "is paused", then: "254 characters",
		},
		"a name that is too long, and idle": {
			change: func(w *Observed) { w.Sources[0].Name, w.Sources[0].SyncStart = strings.Repeat("x", 242), "" },
			first:  "254 characters", then: "no sync running",
		},
	} {
		w := changed(ready(), func(*Source) {})
		c.change(&w)
		if d := Await(w, runID); !strings.Contains(d.Why, c.first) || strings.Contains(d.Why, c.then) {
			t.Errorf("%s: got %q", name, d.Why)
		}
	}
}

// While VolSync moves data its not waiting is nothing to mend.
func TestNotWaitingWhileDataMove(t *testing.T) {
	const moves = "moves the data of the copy"
	for name, c := range map[string]struct {
		change func(*Observed)
		moves  bool
	}{
		"a copy, completed":            {func(*Observed) {}, true},
		"a copy that is not completed": {func(w *Observed) { w.Claim.Status = StatusInProgress }, false},
		"no copy":                      {func(w *Observed) { w.Copy = nil }, false},
		"no sync":                      {func(w *Observed) { w.Sources[0].SyncStart = "" }, false},
	} {
		w := changed(ready(), func(*Source) {})
		w.Claim.Status, w.Copy = StatusCompleted, &Copy{Name: "there"}
		c.change(&w)
		if d := w.notWaiting(); d == nil || strings.Contains(d.Why, moves) != c.moves {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}
