package handshake

import (
	"slices"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// The worst end of a member ends it for all; else whoever has to write comes first.
func TestTogether(t *testing.T) {
	end := func(o outcome.Outcome) Decision { return Decision{Do: End, Outcome: o} }
	look, write, ok := Decision{Do: Look}, Decision{Do: Write, Outcome: outcome.OK}, end(outcome.OK)
	for name, c := range map[string]struct {
		ds   []Decision
		want int
	}{
		"all well":            {[]Decision{ok, ok}, -1},
		"one looks":           {[]Decision{ok, look, look}, 1},
		"one writes":          {[]Decision{look, ok, write}, 2},
		"one is refused":      {[]Decision{write, look, end(outcome.Refused), ok}, 2},
		"the worst":           {[]Decision{end(outcome.Refused), end(outcome.Tainted), end(outcome.Unverified)}, 1},
		"the first of them":   {[]Decision{ok, end(outcome.Withdrawn), end(outcome.Withdrawn)}, 1},
		"tainted before late": {[]Decision{end(outcome.TimedOut), end(outcome.Tainted)}, 1},
	} {
		d, about := Together(c.ds)
		if about != c.want || d != c.ds[max(c.want, 0)] {
			t.Errorf("%s: %+v of %d", name, d, about)
		}
	}
}

// A group is fired only where all of it waits as await-waiting has seen it, and nothing is fired.
func TestFireTogether(t *testing.T) {
	one, _ := firingWorld()
	one.Claim.Lock = Lock{runID, Held, "p"}
	two := one
	two.Claim.UID = "claim-2"
	waits := []Wait{}
	for _, w := range []Observed{one, two} {
		wait, no := w.waiting()
		if no != nil {
			t.Fatal(no.Why)
		}
		waits = append(waits, wait)
	}
	trigger := NewTrigger(runID, waits...)
	for name, c := range map[string]struct {
		change func(w *Observed)
		do     Do
		want   outcome.Outcome
	}{
		"all wait":           {func(*Observed) {}, Write, outcome.OK},
		"one does not":       {func(w *Observed) { w.Claim.Status = "" }, End, outcome.Refused},
		"one waits anew":     {func(w *Observed) { w.Claim.Since = "later" }, End, outcome.Refused},
		"one is copied":      {func(w *Observed) { w.Copy = &Copy{Name: "copy"} }, End, outcome.Tainted},
		"one is fired":       {func(w *Observed) { w.Claim.Trigger = trigger.String() }, End, outcome.Refused},
		"one is another":     {func(w *Observed) { w.Claim.UID = "claim-3" }, End, outcome.Refused},
		"one is armed":       {func(w *Observed) { w.Claim.Trigger = "foreign" }, End, outcome.Refused},
		"one is deleted now": {func(w *Observed) { w.Claim.Deleting = true }, End, outcome.Refused},
	} {
		changed := two
		c.change(&changed)
		d, _, got := FireTogether([]Observed{one, changed}, trigger)
		if d.Do != c.do || d.Outcome != c.want || (len(got) == 2) != (c.do == Write) {
			t.Errorf("%s: %+v, %v", name, d, got)
		}
	}
	both := []Observed{one, two}
	for i := range both {
		both[i].Claim.Trigger = trigger.String()
	}
	if d, _, _ := FireTogether(both, trigger); d.Do != End || d.Outcome != outcome.OK {
		t.Errorf("both are fired: %+v", d)
	}
	if d, _, _ := FireTogether([]Observed{two, one}, NewTrigger(runID, waits[0])); d.Outcome != outcome.Refused {
		t.Errorf("the trigger of one of them: %+v", d)
	}
}

// The syncs that a group was fired into are found again when some of them have ended, and, by who comes
// late, when others have begun since.
func TestSyncsOfAGroup(t *testing.T) {
	member := func(uid, runs, ended string) Observed {
		return Observed{
			Claim:   Claim{UID: uid},
			Sources: []Source{{UID: "rs-" + uid, SyncStart: runs, LastSyncStart: ended}},
		}
	}
	into := []Wait{{ClaimUID: "a", SourceUID: "rs-a", SyncStart: "1"}, {ClaimUID: "b", SourceUID: "rs-b", SyncStart: "2"}}
	trigger := NewTrigger(runID, into...)
	two := member("b", "2", "")
	two.Sources = append(two.Sources, two.Sources[0])
	for name, c := range map[string]struct {
		ws       []Observed
		of, late bool // found by SyncsOf, by SyncsFor
	}{
		"both run":                  {ws: []Observed{member("a", "1", "0"), member("b", "2", "0")}, of: true, late: true},
		"one has ended":             {ws: []Observed{member("a", "", "1"), member("b", "2", "")}, of: true, late: true},
		"both have, and others run": {ws: []Observed{member("a", "3", "1"), member("b", "4", "2")}, late: true},
		"one runs, and another sync of the other": {
			ws: []Observed{member("a", "1", ""), member("b", "4", "2")}, late: true,
		},
		"both have, and another has": {ws: []Observed{member("a", "", "3"), member("b", "", "2")}},
		"of other claims":            {ws: []Observed{member("c", "1", ""), member("b", "2", "")}},
		"of two sources":             {ws: []Observed{member("a", "1", ""), two}},
		"the first sync ever":        {ws: []Observed{member("a", "1", ""), member("b", "2", "")}, of: true, late: true},
	} {
		if got := SyncsOf(c.ws, trigger); slices.Equal(got, into) != c.of || (got == nil) == c.of {
			t.Errorf("%s: SyncsOf: got %v", name, got)
		}
		if got := SyncsFor(c.ws, trigger); slices.Equal(got, into) != c.late || (got == nil) == c.late {
			t.Errorf("%s: SyncsFor: got %v", name, got)
		}
	}
}
