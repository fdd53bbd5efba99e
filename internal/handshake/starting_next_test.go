package handshake

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// resting is an idle ReplicationSource with a manual trigger of Git's, of a claim that nothing is wrong with.
func resting() Observed {
	w := ready()
	w.Claim.Status, w.Claim.Since = StatusCompleted, ""
	s := &w.Sources[0]
	s.SyncStart, s.LastSync, s.Schedule, s.Manual, s.LastManual = "", "yesterday", "0 3 * * *", "git", "git"
	w.Copy = nil
	return w
}

// changed is an observation with its ReplicationSource changed.
func changed(w Observed, change func(*Source)) Observed {
	w.Sources = []Source{w.Sources[0]}
	change(&w.Sources[0])
	return w
}

// asked is what start-sync of a run makes of a resting source.
func asked(run string) func(*Source) {
	return func(s *Source) {
		s.Manual, s.Started = run+".1", Started{Run: run, Manual: run + ".1", Was: "git"}.String()
	}
}

// What start-sync decides by its first look. The search asks only that it says nothing untrue, and
// leaves nothing; it does not ask what it waits for.
func TestStartingFirstLook(t *testing.T) {
	runs := func(s *Source) { s.SyncStart = "now" }
	copies := func(w *Observed) { w.Copy = &Copy{Name: "c", Owner: w.Sources[0].UID} }
	for name, c := range map[string]struct {
		change  func(*Observed)
		source  func(*Source)
		do      Do
		outcome outcome.Outcome
		says    string
		sets    string // manual; "" for no write
		begun   bool
	}{
		"idle":   {do: Write, says: "is asked for a sync", sets: "a.1"},
		"paused": {source: func(s *Source) { s.Paused = true }, do: End, outcome: outcome.Refused, says: "is paused"},
		"of two ReplicationSources": {
			change: func(w *Observed) { w.Sources = append(w.Sources, Source{Name: "two"}) },
			do:     End, outcome: outcome.Refused, says: "2 ReplicationSources have it",
		},
		"being deleted": {
			source: func(s *Source) { s.Deleting = true }, do: End, outcome: outcome.Refused, says: "is being deleted",
		},
		"a mover that ignores triggers": {
			source: func(s *Source) { s.Mover = "syncthing" }, do: End, outcome: outcome.Refused, says: `the mover "syncthing"`,
		},
		"a copy method that ignores triggers": {
			source: func(s *Source) { s.Method = "Direct" }, do: End, outcome: outcome.Refused, says: `copyMethod "Direct"`,
		},
		"a name that is too long": {
			source: func(s *Source) { s.Name = strings.Repeat("x", 242) },
			do:     End, outcome: outcome.Refused, says: "a name of 254 characters",
		},
		"an annotation of nobody's": {
			source: func(s *Source) { s.Started = "x" },
			do:     End, outcome: outcome.Refused, says: "no start-sync has written",
		},
		"a record of no run": {
			source: func(s *Source) { s.Started = `{"manual":"git"}` },
			do:     End, outcome: outcome.Refused, says: "no start-sync has written",
		},
		"it runs": {source: runs, do: End, outcome: outcome.OK, says: "and is left alone"},
		"it runs, and its copy exists": {
			source: runs, change: copies, do: Look, says: "another is started when it has ended",
		},
		"it runs, and a copy is being deleted": {
			source: runs, change: func(w *Observed) { copies(w); w.Copy.Deleting = true },
			do: End, outcome: outcome.OK, says: "and is left alone",
		},
		"it runs, and a copy that is not its own exists": {
			source: runs, change: func(w *Observed) { copies(w); w.Copy.Owner = "another" },
			do: Look, says: "it is not ReplicationSource",
		},
		"it runs, its copy exists, and another run has the claim": {
			source: runs, change: func(w *Observed) { copies(w); w.Claim.Lock = Lock{Run: "b", State: Held, Owners: "p"} },
			do: End, outcome: outcome.Refused, says: "run b has locked",
		},
		"it runs, its copy exists, and the claim is armed": {
			source: runs, change: func(w *Observed) { copies(w); w.Claim.Trigger = "x" },
			do: End, outcome: outcome.Refused, says: "armed",
		},
		"it runs by another run, and its copy exists": {
			source: func(s *Source) { asked("b")(s); runs(s) }, change: copies,
			do: Write, says: "another is started when it has ended", sets: "git",
		},
		"it runs by an earlier process of the run, and its copy exists": {
			source: func(s *Source) { asked("a")(s); runs(s) }, change: copies,
			do: Write, outcome: outcome.OK, says: "VolSync has begun", sets: "git", begun: true,
		},
		"it runs, by an earlier process of the run": {
			source: func(s *Source) { asked("a")(s); runs(s) },
			do:     Write, outcome: outcome.OK, says: "VolSync has begun", sets: "git", begun: true,
		},
		"it runs, by another run": {
			source: func(s *Source) { asked("b")(s); runs(s) },
			do:     Write, outcome: outcome.OK, says: "and is left alone", sets: "git",
		},
		"locked by the run itself": {
			change: func(w *Observed) { w.Claim.Lock = Lock{Run: "a", State: Held, Owners: "p"} },
			do:     End, outcome: outcome.Tainted, says: "an earlier attempt of this run",
		},
		"locked by another run": {
			change: func(w *Observed) { w.Claim.Lock = Lock{Run: "b", State: Held, Owners: "p"} },
			do:     End, outcome: outcome.Refused, says: "run b has locked",
		},
		"the copy is being deleted": {
			change: func(w *Observed) { w.Copy = &Copy{Name: "c", Deleting: true} },
			do:     Look, says: "is being deleted",
		},
		"no sync yet":   {source: func(s *Source) { s.LastSync = "" }, do: Look, says: "the first sync"},
		"by a schedule": {source: func(s *Source) { s.Manual, s.LastManual = "", "" }, do: Write, says: "asked", sets: "a.1"},
		"without a trigger": {
			source: func(s *Source) { s.Manual, s.LastManual, s.Schedule = "", "", "" }, do: Look, says: "has no trigger",
		},
		"a manual trigger that is due": {source: func(s *Source) { s.LastManual = "" }, do: Look, says: `"git" asks for`},
		"asked for by the run":         {source: asked("a"), do: Look, says: "that run a has asked for"},
		"taken back from another run": {
			source: func(s *Source) { asked("b")(s); s.Manual = "git" },
			do:     Write, says: "somebody has taken that back", sets: "git",
		},
		"taken back from the run": {
			source: func(s *Source) { asked("a")(s); s.Manual = "by hand" },
			do:     Write, outcome: outcome.Refused, says: `to "by hand" before VolSync began`, sets: "by hand",
		},
		"left by a run that was lost": {
			source: func(s *Source) { asked("b")(s); s.LastManual = s.Manual },
			do:     Write, says: "was lost", sets: "git",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := resting()
			if c.change != nil {
				c.change(&w)
			}
			if c.source != nil {
				w = changed(w, c.source)
			}
			st := Starting{Run: "a", Manual: "a.1"}
			p, d := st.Next(w)
			if d.Do != c.do || d.Outcome != c.outcome || !strings.Contains(d.Why, c.says) || st.Begun() != c.begun {
				t.Errorf("got %+v, begun %t", d, st.Begun())
			}
			if p.Source.Manual != c.sets || p.SetSource != (c.sets != "") {
				t.Errorf("got %+v, want manual %q", p, c.sets)
			}
			if p.SetSource && (c.sets == "a.1") != (p.Source.Started != "") {
				t.Errorf("got the record %q", p.Source.Started)
			}
		})
	}
}

// What start-sync remembers of its own writes.
func TestStartingRemembersItsWrites(t *testing.T) {
	runs := func(s *Source) { s.SyncStart = "now" }
	synced := func(s *Source) { s.LastSync = "today" }
	type turn struct {
		sees  func(*Source)
		reply Reply // to what it writes
	}
	for name, c := range map[string]struct {
		turns   []turn // each of which writes
		sees    func(*Source)
		do      Do
		outcome outcome.Outcome
		says    string
		begun   bool
		doubt   bool
	}{
		"the sync is over already": {
			turns: []turn{{reply: Written}}, sees: synced, do: End, outcome: outcome.OK, says: "has ended already", begun: true,
		},
		"of another ReplicationSource": {
			turns: []turn{{reply: Written}}, sees: func(s *Source) { synced(s); s.UID = "another" },
			do: End, outcome: outcome.Refused, says: "somebody has set",
		},
		"a conflict":  {turns: []turn{{reply: Conflict}}, sees: synced, do: Write, says: "is asked for a sync"},
		"not written": {turns: []turn{{reply: NotWritten}}, sees: synced, do: Write, says: "is asked for a sync"},
		"in doubt":    {turns: []turn{{reply: Unknown}}, do: Write, says: "is asked for a sync", doubt: true},
		"in doubt, and then a conflict": {
			turns: []turn{{reply: Unknown}, {reply: Conflict}}, sees: runs,
			do: End, outcome: outcome.OK, says: "VolSync has begun", begun: true, doubt: true,
		},
		"in doubt, and then written": {
			turns: []turn{{reply: Unknown}, {reply: Written}}, sees: asked("a"), do: Look, says: "has asked for",
		},
		"in doubt, and written over": {
			turns: []turn{{reply: Unknown}, {reply: Written}}, do: End, outcome: outcome.Refused, says: "somebody has set",
		},
		"in doubt, and it is seen": {
			turns: []turn{{reply: Unknown}}, sees: asked("a"), do: Look, says: "has asked for",
		},
		"a conflict with who puts it back, too": {
			turns: []turn{{reply: Written}, {sees: func(s *Source) { asked("a")(s); runs(s) }, reply: Conflict}},
			sees:  runs, do: End, outcome: outcome.OK, says: "VolSync has begun", begun: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := Starting{Run: "a", Manual: "a.1"}
			see := func(change func(*Source)) (Patch, Decision) {
				if change == nil {
					change = func(*Source) {}
				}
				return st.Next(changed(resting(), change))
			}
			for i, turn := range c.turns {
				if p, d := see(turn.sees); !p.SetSource {
					t.Fatalf("turn %d writes nothing: %+v", i, d)
				}
				if again := st.Replied(turn.reply, true); again != (turn.reply == Conflict) {
					t.Errorf("turn %d: looks again at once: %t", i, again)
				}
			}
			_, d := see(c.sees)
			if d.Do != c.do || d.Outcome != c.outcome || !strings.Contains(d.Why, c.says) || st.Begun() != c.begun {
				t.Errorf("got %+v, begun %t", d, st.Begun())
			}
			if got := st.GiveUp(); got.doubt != c.doubt || !st.MayBeSet() {
				t.Errorf("it gives up with %+v, may be set: %t", got, st.MayBeSet())
			}
		})
	}
}

// A process that comes after another of its run knows that there may be something to put back.
func TestStartingKnowsAnEarlierProcess(t *testing.T) {
	st := Starting{Run: "a", Manual: "a.2"}
	if st.Next(changed(resting(), asked("a"))); !st.MayBeSet() {
		t.Error("nothing may be set")
	}
}

// A write in doubt is fenced off by another one, which is taken off again.
func TestPuttingBackFences(t *testing.T) {
	for _, lost := range []Reply{NotWritten, Conflict, Unknown} {
		b := PuttingBack{Run: "a", doubt: true}
		p, d := b.Next(resting())
		fence, is := readStarted(p.Source.Started)
		if want := (Started{Run: "a", Manual: "git", Was: "git"}); !is || fence != want || p.Source.Manual != "git" ||
			d.Do != Write || d.Outcome != "" {
			t.Fatalf("got %+v: %+v", d, p)
		}
		if again := b.Replied(lost, true); again != (lost == Conflict) {
			t.Errorf("%v: looks again at once: %t", lost, again)
		}
		if p, _ := b.Next(resting()); p.Source.Started == "" {
			t.Errorf("%v: it is not fenced off again", lost)
		}
		if b.Replied(Written, true); b.doubt {
			t.Error("it is in doubt still")
		}
		p, d = b.Next(Observed{Sources: []Source{p.Source}})
		if p, d = b.Next(changed(resting(), func(s *Source) { s.Started = fence.String() })); p.Source.Manual != "git" ||
			p.Source.Started != "" || d.Outcome != outcome.OK {
			t.Errorf("got %+v: %+v", d, p)
		}
	}
	b := PuttingBack{Run: "a", doubt: true}
	if p, d := b.Next(changed(resting(), asked("b"))); !p.Empty() || d.Do != End {
		t.Errorf("over the record of another run: %+v: %+v", d, p)
	}
}

// What becomes of a manual trigger that is put back, VolSync makes of it.
func TestPuttingBackSaysWhatFollows(t *testing.T) {
	const another = "begins another sync"
	for name, c := range map[string]struct {
		source   func(*Source)
		says     string
		begins   bool
		restores string
	}{
		"before the sync": {source: asked("a"), says: `is "git" again`, restores: "git"},
		"in the sync": {
			source: func(s *Source) { asked("a")(s); s.SyncStart, s.LastManual = "now", s.Manual },
			says:   `is "git" again`, restores: "git",
		},
		"after the sync": {
			source: func(s *Source) { asked("a")(s); s.LastManual = s.Manual },
			says:   `is "git" again`, begins: true, restores: "git",
		},
		"of a schedule": {
			source: func(s *Source) { s.Manual, s.Started = "a.1", Started{Run: "a", Manual: "a.1"}.String() },
			says:   "the manual trigger of start-sync is off",
		},
		"replaced meanwhile": {
			source: func(s *Source) { asked("a")(s); s.Manual = "by hand" },
			says:   "is not start-sync's any more", restores: "by hand",
		},
	} {
		b := PuttingBack{Run: "a"}
		p, d := b.Next(changed(resting(), c.source))
		if !strings.Contains(d.Why, c.says) || strings.Contains(d.Why, another) != c.begins ||
			p.Source.Manual != c.restores || p.Source.Started != "" {
			t.Errorf("%s: got %+v: %+v", name, d, p)
		}
	}
}
