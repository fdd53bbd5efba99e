package handshake

import (
	"strings"
	"testing"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// TestInvariants holds every decision over all claims and surroundings to what must be
// true of it, told without the package's own predicates.
func TestInvariants(t *testing.T) {
	n := 0
	for _, r := range rows(uses()) {
		for _, s := range worlds() {
			w := s.of(r.claim())
			c, trigger := w.Claim, r.ours()
			if w.ClaimOnly { // of the sync and the source nothing is known, so the trigger is another
				trigger = NewTrigger(runID, Wait{ClaimUID: theClaim, Since: theWait, Latest: c.Latest})
			}
			check := func(name string, ok bool, d Decision) {
				if n++; !ok {
					t.Errorf("%+v, %s: %s: %+v", r, s.name, name, d)
				}
			}
			d := Await(w, runID)
			explained(check, "await", d)
			await(check, r, s, w, d)
			d = Fire(w, trigger)
			explained(check, "fire", d)
			fire(check, r, s, w, trigger, d)
			for _, seen := range []Seen{
				{},
				{ClaimUID: theClaim},
				{Fired: true},
				{Fired: true, Since: theWait},
				{Fired: true, Since: "other"},
				{Fired: true, Taken: true},
				{ClaimUID: "gone", Fired: true},
			} {
				d = Completed(c, trigger, seen)
				explained(check, "completed", d)
				completion(check, c, trigger, seen, d)
			}
			for _, run := range []string{runID, "run", "run-1.x"} {
				d = Disarm(c, run)
				explained(check, "disarm", d)
				disarms(check, c, run, d)
			}
		}
	}
	if n < 100000 {
		t.Errorf("only %d checks", n)
	}
	t.Logf("%d checks", n)
}

type check func(name string, ok bool, d Decision)

// explained: a user is always told why, and what to do if there is something to do.
func explained(check check, name string, d Decision) {
	check(name+" says why", d.Why != "" && !strings.Contains(d.Why, "%!"), d)
	bad := d.Outcome == outcome.Refused || d.Outcome == outcome.Tainted || d.Outcome == outcome.Unverified
	check(name+" gives a hint if it ends badly", !bad || d.Hint != "", d)
	check(name+" waits without an outcome, and ends and writes with one", (d.Do == Look) == (d.Outcome == ""), d)
	check(name+" has a value only to write", d.Do == Write || d.Value == "", d)
}

// isArmed is the condition under which VolSync copies without waiting, for the claim as
// it would be with the trigger (volumehandler.go:527).
func isArmed(c Claim, trigger string) bool { return trigger != "" && trigger != c.Latest }

// mayBeQuiesced says that VolSync waits on this claim in these surroundings.
func mayBeQuiesced(r row, s surroundings, c Claim) bool {
	elsewhere := strings.HasPrefix(s.name, "another ")
	return (s.good || elsewhere) && r.use != absent && r.status == "Waiting" && r.since != absent && !isArmed(c, c.Trigger)
}

func await(check check, r row, s surroundings, w Observed, d Decision) {
	c := w.Claim
	check(
		"await ends ok only, and always, if VolSync waits",
		(d.Do == End && d.Outcome == outcome.OK) == mayBeQuiesced(r, s, c),
		d,
	)
	check("await tells at once of an armed claim", !isArmed(c, c.Trigger) || d.Do != Look, d)
	mine := isArmed(c, c.Trigger) && (r.trigger == "ours" || r.trigger == "earlier")
	check("await takes back what its run has armed", (d.Do == Write) == mine, d)
	if d.Do == Write {
		check("what it writes does not arm", !isArmed(c, d.Value), d)
	}
	if d.Outcome == outcome.OK {
		want := Wait{ClaimUID: c.UID, Since: c.Since, Latest: c.Latest}
		if !w.ClaimOnly {
			want.SourceUID, want.SyncStart = w.Sources[0].UID, w.Sources[0].SyncStart
		}
		check("await knows the wait", d.Wait == want, d)
	}
}

func fire(check check, r row, s surroundings, w Observed, trigger Trigger, d Decision) {
	c, v := w.Claim, trigger.String()
	check("fire does not wait", d.Do != Look, d)
	// One that was not there when await-waiting ended.
	copies := w.Copy != nil || c.Status == StatusInProgress
	check("fire works, or refuses, or says that VolSync copied meanwhile",
		d.Outcome == outcome.OK || d.Outcome == outcome.Refused || d.Outcome == outcome.Tainted && copies, d)
	check("fire does not say that no copy was made where there is one", !(w.Copy != nil && d.Outcome == outcome.Refused) ||
		isArmed(c, c.Trigger) || c.Latest == v || c.Deleting || !c.Enabled, d)
	if d.Do == Write {
		check("fire writes the trigger", d.Value == v, d)
		check("fire writes only into a wait", mayBeQuiesced(r, s, c), d)
		check("fire writes only into its own wait", s.good, d)
		check("fire writes no trigger that is used up", c.Latest != v, d)
		c.Trigger = v
		w.Claim = c
		again := Fire(w, trigger)
		check("to fire twice is success", again.Do == End && again.Outcome == outcome.OK, again)
	}
	if mayBeQuiesced(r, s, c) && s.good && c.Latest != v && c.Trigger != v {
		check("fire writes into its own wait", d.Do == Write, d)
	}
	if d.Do == End && d.Outcome == outcome.OK {
		check(
			"fire ends ok only with its trigger there",
			c.Trigger == v && c.Latest != v || c.Latest == v && c.Status == StatusCompleted,
			d,
		)
	}
}

func completion(check check, c Claim, trigger Trigger, seen Seen, d Decision) {
	v := trigger.String()
	recreated := seen.ClaimUID != "" && seen.ClaimUID != c.UID
	check("completed does not write", d.Do != Write, d)
	check(
		"completed is ok exactly with the echo on the same claim",
		(d.Outcome == outcome.OK) == (c.Latest == v && !recreated),
		d,
	)
	if recreated {
		check("a claim made again is no proof", d.Outcome == outcome.Unverified, d)
	}
	if d.Do == Look {
		check("completed waits only for its own trigger", c.Trigger == v && c.Latest != v && c.Enabled, d)
	}
	if d.Outcome == outcome.Withdrawn {
		check(
			"withdrawn only from a wait that saw the trigger",
			seen.Fired && !seen.Taken && c.Status == StatusWaiting && !isArmed(c, c.Trigger),
			d,
		)
		check("withdrawn only from the same wait", seen.Since != "" && seen.Since == c.Since, d)
	}
	if d.Outcome == outcome.Refused {
		check(
			"refused only if nothing was seen, and nothing is armed or copied",
			!seen.Fired && !isArmed(c, c.Trigger) && c.Status != StatusInProgress,
			d,
		)
	}
}

func disarms(check check, c Claim, run string, d Decision) {
	mine := run == runID && strings.HasPrefix(c.Trigger, runID+".") && isArmed(c, c.Trigger)
	check("disarm writes exactly over an armed trigger of the run", (d.Do == Write) == mine, d)
	check("disarm never waits", d.Do != Look, d)
	check("disarm does not vouch for a copy in progress", c.Status != StatusInProgress || d.Outcome == outcome.Tainted, d)
	if d.Do != Write {
		return
	}
	check(
		"disarm says withdrawn only before VolSync took it",
		d.Outcome != outcome.Withdrawn || c.Enabled && c.Status != StatusInProgress,
		d,
	)
	// To remove the trigger would not arm either, but be recorded over the latest one, if there is a copy.
	check("disarm gives back what was recorded last", d.Value == c.Latest, d)
	c.Trigger = d.Value
	check("what disarm writes does not arm", !isArmed(c, c.Trigger), d)
	again := Disarm(c, run)
	check("to disarm twice writes once", again.Do == End, again)
	check(
		"to disarm twice says nothing better of a copy in progress",
		c.Status != StatusInProgress || again.Outcome == d.Outcome,
		again,
	)
}

// TestUseIsPresence: VolSync reads the presence of use-copy-trigger, not its value
// (internal/controller/utils/copy_trigger_annotations.go:32).
func TestUseIsPresence(t *testing.T) {
	for _, r := range rows([]string{"true"}) {
		w := worlds()[0].of(r.claim())
		for _, use := range []string{"", "false"} {
			r.use = use
			other := worlds()[0].of(r.claim())
			if Await(w, runID) != Await(other, runID) || Fire(w, r.ours()) != Fire(other, r.ours()) ||
				Completed(w.Claim, r.ours(), Seen{}) != Completed(other.Claim, r.ours(), Seen{}) ||
				Disarm(w.Claim, runID) != Disarm(other.Claim, runID) {
				t.Errorf("%+v: use-copy-trigger %q decides otherwise than \"true\"", r, use)
			}
		}
	}
}
