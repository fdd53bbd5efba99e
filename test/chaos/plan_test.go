package chaos

import (
	"testing"
)

// A plan comes from its seed and number alone, and some plan has each thing that plans can have.
func TestPlans(t *testing.T) {
	missing := map[string]bool{}
	for _, what := range []string{
		"alone", "retried", "cleaned", "two runs", "storm", "beside", "repeated", "refused", "Snapshot", "Clone",
		string(Run), string(Hold), string(Chain), string(FireChain), string(Cleanup), string(ByHand), string(Stranger),
		"until the cut", "to the record", "terminated", "interrupt", "killed", "stopped (signal)", "a step", "VolSync",
		"outage", "fails", "fair weather",
	} {
		missing[what] = true
	}
	for class := range Storages() {
		missing[class] = true
	}
	for n := range 600 {
		p := NewPlan(1, n)
		if again := NewPlan(1, n); again.String() != p.String() {
			t.Fatalf("the same plan is\n%sand\n%s", p, again)
		}
		for _, what := range p.has() {
			delete(missing, what)
		}
	}
	for what := range missing {
		t.Errorf("no plan has %s", what)
	}
	if NewPlan(1, 0).String() == NewPlan(2, 0).String() {
		t.Error("two seeds have the same plan")
	}
}

func (p Plan) has() (all []string) {
	all = append(all, p.Scene, p.Method, p.Storage)
	for _, a := range p.Actors {
		all = append(all, string(a.Form))
		switch {
		case a.Cut:
			all = append(all, "until the cut")
		case a.Form.Coordinates():
			all = append(all, "to the record")
		}
		for _, s := range a.Signals {
			all = append(all, s.Signal.String())
			if s.Step {
				all = append(all, "a step")
			}
		}
		if a.Weather.Outage.Length > 0 {
			all = append(all, "outage")
		}
		if a.Weather.One == 0 {
			all = append(all, "fair weather")
		}
		if a.Unquiesce.Fails > 0 {
			all = append(all, "fails")
		}
	}
	if len(p.Kills) > 0 {
		all = append(all, "VolSync")
	}
	return all
}

// Whoever is stopped, or is told late, does not know better: only where unquiesce is scoped may
// that be in a plan.
func TestPlansStopNobodyWhoCannotKnow(t *testing.T) {
	for n := range 600 {
		p := NewPlan(3, n)
		for _, a := range p.Actors {
			if a.Weather.Late && !p.Scoped {
				t.Fatalf("late looks:\n%s", p)
			}
			for _, s := range a.Signals {
				if s.Stopped > 0 && !p.Scoped {
					t.Fatalf("stopped:\n%s", p)
				}
			}
		}
	}
}
