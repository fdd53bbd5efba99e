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
		"fired":                         {fired, none, fired.To, false, Patch{}},
		"fired, with something else":    {fired, none, Claim{Latest: "old", Trigger: ours, Use: "x"}, false, Patch{}},
		"fired, stripped":               {fired, none, Claim{Latest: "old"}, true, Patch{}},
		"fired, left as it was":         {fired, none, none, true, Patch{}},
		"fired, rewritten":              {fired, none, Claim{Latest: "old", Trigger: "x"}, true, Patch{SetTrigger: true}},
		"given back":                    {gaveBack, fired.To, none, false, Patch{}},
		"given back, stripped":          {gaveBack, fired.To, Claim{Latest: "old"}, false, Patch{}},
		"given back, left as it was":    {gaveBack, fired.To, fired.To, true, Patch{}},
		"given back, rewritten":         {gaveBack, fired.To, Claim{Latest: "old", Trigger: "x"}, true, Patch{}},
		"locked":                        {locked, Claim{}, locked.To, false, Patch{}},
		"locked, stripped":              {locked, Claim{}, Claim{}, true, Patch{}},
		"locked, rewritten":             {locked, Claim{}, Claim{Lock: Lock{"x", Held, "q"}}, true, Patch{SetLock: true}},
		"unlocked, left as it was":      {unlocked, locked.To, locked.To, true, Patch{}},
		"what is not written is no one": {Patch{SetTrigger: true}, Claim{}, Claim{Lock: Lock{"x", Held, "q"}}, false, Patch{}},
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
