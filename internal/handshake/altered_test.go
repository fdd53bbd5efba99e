package handshake

import "testing"

// What came back is compared with what was written; what arms, or locks, is taken back.
func TestAltered(t *testing.T) {
	ours, none := NewTrigger(runID).String(), Claim{Latest: "old", Trigger: "old"}
	fired := Patch{SetTrigger: true, To: Claim{Latest: "old", Trigger: ours}}
	gaveBack := Patch{SetTrigger: true, To: none}
	locked := Patch{SetLock: true, To: Claim{Lock: Lock{runID, Held, "p"}}}
	unlocked := Patch{SetLock: true}
	for name, c := range map[string]struct {
		patch     Patch
		was, back Claim
		altered   bool
		undo      Patch // without To
	}{
		"fired":                      {patch: fired, was: none, back: fired.To},
		"fired, with something else": {patch: fired, was: none, back: Claim{Latest: "old", Trigger: ours, Use: "x"}},
		"fired, stripped":            {patch: fired, was: none, back: Claim{Latest: "old"}, altered: true},
		"fired, left as it was":      {patch: fired, was: none, back: none, altered: true},
		"fired, rewritten": {
			patch:   fired,
			was:     none,
			back:    Claim{Latest: "old", Trigger: "x"},
			altered: true,
			undo:    Patch{SetTrigger: true},
		},
		"given back":                 {patch: gaveBack, was: fired.To, back: none},
		"given back, stripped":       {patch: gaveBack, was: fired.To, back: Claim{Latest: "old"}},
		"given back, left as it was": {patch: gaveBack, was: fired.To, back: fired.To, altered: true},
		"given back, rewritten": {
			patch:   gaveBack,
			was:     fired.To,
			back:    Claim{Latest: "old", Trigger: "x"},
			altered: true,
		},
		"locked":           {patch: locked, back: locked.To},
		"locked, stripped": {patch: locked, altered: true},
		"locked, rewritten": {
			patch:   locked,
			back:    Claim{Lock: Lock{"x", Held, "q"}},
			altered: true,
			undo:    Patch{SetLock: true},
		},
		"unlocked, left as it was":      {patch: unlocked, was: locked.To, back: locked.To, altered: true},
		"what is not written is no one": {patch: Patch{SetTrigger: true}, back: Claim{Lock: Lock{"x", Held, "q"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.patch.Altered(c.back); got != "" != c.altered {
				t.Errorf("altered: %q", got)
			}
			if !c.altered {
				return
			}
			u := c.patch.Undo(c.was, c.back)
			if u.SetTrigger != c.undo.SetTrigger || u.SetLock != c.undo.SetLock {
				t.Errorf("undoes %+v", u)
			}
			if u.To.Armed() && c.undo.SetTrigger || c.undo.SetLock && u.To.Lock != (Lock{}) {
				t.Errorf("the undoing leaves %+v", u.To)
			}
		})
	}
}

// What is tried is what will be written: the trigger, the lock and how the run ended, and nothing else.
func TestTry(t *testing.T) {
	got := Try(runID).Annotations()
	last, _ := ParseLastRun(got[LastRunAnnotation])
	if len(got) != 3 || last.Run != runID || !of(runID, got[TriggerAnnotation]) ||
		!ParseLock(got[LockAnnotation]).Of(runID) {
		t.Errorf("tries %v", got)
	}
}
