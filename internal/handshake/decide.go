package handshake

import (
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Decision is what to do next, and always why.
type Decision struct {
	Do      Do
	Outcome outcome.Outcome // with End, and with Write: what it will be once the write is done
	Value   string          // with Write: copy-trigger's new value; "" removes the annotation
	Wait    Wait            // with End of Await, and Write of Fire: the wait that was found
	Why     string
	Hint    string // the user's next move
	Next    Move   // the command by which the user makes it
}

// Do is what a coordinator does about a [Decision].
type Do int

const (
	Look  Do = iota // nothing yet: decide again when something has changed
	Write           // set copy-trigger to Value if the claim has not changed, then decide again
	End             // it is over: Outcome says how
)

func refuse(why, hint string) *Decision {
	return &Decision{Do: End, Outcome: outcome.Refused, Why: why, Hint: hint}
}
func notYet(why string) *Decision { return &Decision{Do: Look, Why: why} }

// Await decides for await-waiting: is VolSync waiting, so that the application may be
// quiesced? A trigger of the same run that is in flight already (the step's pod was lost
// and made again) is taken back if VolSync has not taken it. If it has, nobody knows
// whether the application was still quiesced when the copy was cut.
func Await(w Observed, run string) Decision {
	c := w.Claim
	if c.Armed() && of(run, c.Trigger) {
		return Disarm(c, run)
	}
	lock := TakeLock(c, run)
	if lock.Do == End {
		return lock
	}
	wait, no := w.waiting()
	if no != nil {
		if no.Do == Look && of(run, c.Latest) {
			no.Why += fmt.Sprintf("; VolSync has recorded %q of this run before, "+
				"in an attempt whose freeze is not known", c.Latest)
		}
		return *no
	}
	if lock.Do == Look { // the locks of the others of a group would be put on, and given back, for nothing
		return lock
	}
	return Decision{Do: End, Outcome: outcome.OK, Wait: wait, Why: "VolSync waits since " + c.Since}
}

// Fire decides for fire-trigger: it may write only into the wait that the trigger was
// made for. The caller writes on the condition that the claim is still the one decided
// about; that covers what could happen between this look and the write, because VolSync
// starts no copy of a waiting claim without writing the claim first (volumehandler.go:570-573).
func Fire(w Observed, t Trigger) Decision {
	return fireInto(w, t, func(wait Wait) bool { return NewTrigger(t.run, wait) == t })
}

// fireInto is Fire for a trigger of which it is known whether it was made for a wait.
func fireInto(w Observed, t Trigger, madeFor func(Wait) bool) Decision {
	c := w.Claim
	switch v := t.String(); {
	case c.Trigger == v && c.Latest != v:
		return Decision{Do: End, Outcome: outcome.OK, Why: "the trigger is set already"}
	case c.Latest == v && c.Status == StatusCompleted:
		return Decision{Do: End, Outcome: outcome.OK, Why: "VolSync has recorded the trigger already"}
	case c.Latest == v:
		// A new wait: success here would pass the copy of the last freeze off as one of this.
		return *refuse(fmt.Sprintf("trigger %q is used up: VolSync recorded it for an earlier copy", v),
			"run await-waiting again for a new trigger")
	}
	wait, no := w.waiting()
	switch {
	case no != nil && (w.Copy != nil || c.Status == StatusInProgress):
		// VolSync waited when await-waiting ended, and there was no copy: somebody else has made it
		// copy since.
		return Decision{
			Do: End, Outcome: outcome.Tainted,
			Why:  "VolSync has copied, or is copying, for somebody else, while this run was quiescing: " + no.Why,
			Hint: "let one run at a time coordinate a claim; do not use this sync's copy",
		}
	case no != nil && no.Do == Look:
		return *refuse("VolSync is not waiting any more: "+no.Why, "run await-waiting again, then quiesce and fire")
	case no != nil:
		return *no
	case !madeFor(wait):
		return *refuse(fmt.Sprintf("trigger %q was made for another wait than the present one (since %s)", t, c.Since),
			"run await-waiting again, then quiesce and fire; use --pvc-only for both or for neither")
	}
	return Decision{Do: Write, Value: t.String(), Outcome: outcome.OK, Wait: wait, Why: "VolSync waits"}
}

// Seen is what await-completed has seen since it started.
type Seen struct {
	ClaimUID string // of the claim that it looked at first; "" before
	Fired    bool   // the trigger was in its place, so that its absence means that somebody took it away
	Since    string // of the wait that the trigger was in
	Taken    bool   // VolSync has reacted to the trigger
	Sync     Wait   // of a member of a group: the sync that it was fired into; the trigger alone does not tell
}

// With adds a look at the claim.
func (s Seen) With(c Claim, t Trigger) Seen {
	if s.ClaimUID == "" {
		s.ClaimUID = c.UID
	}
	if c.Trigger == t.String() {
		s.Fired = true
		if c.Status == StatusWaiting {
			s.Since = c.Since
		}
	}
	s.Taken = s.Taken || Taken(c, t)
	return s
}

// Completed decides for await-completed by the claim alone: what [Recorded] asks for besides it
// leaves out.
//
// The echo alone counts (volumehandler.go:593-594). It may already be that of a sync
// which is over, with the next one waiting; and Completed may be the last copy's.
func Completed(c Claim, t Trigger, seen Seen) Decision {
	v := t.String()
	switch {
	case seen.ClaimUID != "" && seen.ClaimUID != c.UID:
		// Its annotations may come from a manifest or a backup, and then prove nothing.
		return Decision{Do: End, Outcome: outcome.Unverified, Why: "it was deleted and created again during the copy",
			Hint: "do not rely on this sync's copy"}
	case c.Latest == v:
		return Decision{Do: End, Outcome: outcome.OK, Why: "VolSync recorded the trigger"}
	case c.Trigger == v && !c.Enabled:
		// VolSync copies at once and records nothing (volumehandler.go:518, 588).
		return Decision{
			Do: End, Outcome: outcome.Tainted,
			Why:  "somebody removed " + UseAnnotation + ": VolSync copies without waiting, and records nothing",
			Hint: "put the annotation back; do not use this sync's copy",
		}
	case c.Trigger == v:
		return *notYet(c.progress())
	case c.Armed():
		return Decision{Do: End, Outcome: outcome.Tainted,
			Why:  fmt.Sprintf("somebody replaced the trigger by %q, for which VolSync copies: %s", c.Trigger, c.describe()),
			Hint: "let one run at a time coordinate a claim; do not use this sync's copy"}
	case c.Status == StatusInProgress:
		return Decision{Do: End, Outcome: outcome.Tainted,
			Why:  "somebody took the trigger back while VolSync was copying",
			Hint: "do not use this sync's copy"}
	case !seen.Fired && c.Status == StatusCompleted:
		// Never fired, or fired, replaced and recorded before we looked: nothing tells.
		return Decision{
			Do: End, Outcome: outcome.Unverified,
			Why: "the trigger is neither set nor recorded, and VolSync has made a copy",
			Hint: "if fire-trigger was run, do not rely on this sync's copy: " +
				"somebody took its trigger back, or replaced it",
		}
	case !seen.Fired:
		return *refuse("the trigger is neither set nor recorded",
			"run fire-trigger first; if it was run, its trigger has been taken back or replaced since")
	case c.Status == StatusWaiting && !seen.Taken && seen.Since != "" && seen.Since == c.Since:
		return Decision{
			Do: End, Outcome: outcome.Withdrawn,
			Why:  "somebody took the trigger back before VolSync took it: no copy was made",
			Hint: "run await-waiting again, then quiesce and fire",
		}
	case c.Status == StatusWaiting:
		return Decision{
			Do: End, Outcome: outcome.Unverified,
			Why:  "somebody took the trigger back, and VolSync waits again: it may have copied in between",
			Hint: "do not rely on this sync's copy",
		}
	}
	return Decision{Do: End, Outcome: outcome.Unverified,
		Why:  fmt.Sprintf("VolSync recorded a copy for %q instead of this trigger", c.Latest),
		Hint: "let one run at a time coordinate a claim; do not rely on this sync's copy"}
}

// NeverFired decides, after [Completed] has found nothing of the trigger, whether nothing was made
// for it: VolSync still waits as it did when the trigger was made. Else it may have been set,
// recorded, and replaced before anybody looked.
func NeverFired(w Observed, t Trigger, seen Seen) bool {
	wait, no := w.waiting()
	if no != nil {
		return false
	}
	if seen.Sync != (Wait{}) {
		return seen.Sync == Wait{ClaimUID: wait.ClaimUID, SourceUID: wait.SourceUID, SyncStart: wait.SyncStart}
	}
	return NewTrigger(t.run, wait) == t
}

// Taken reports whether VolSync has reacted to the trigger.
func Taken(c Claim, t Trigger) bool {
	return c.Latest == t.String() || c.Trigger == t.String() && c.Status == StatusInProgress
}

func (c Claim) progress() string {
	if c.Status == StatusInProgress {
		return "VolSync is copying"
	}
	return "VolSync has not taken the trigger: " + c.describe()
}

// Disarm decides how to give back a trigger of the run that VolSync has not recorded, so
// that no later sync copies without waiting. It is idempotent, and touches nobody else's
// trigger.
//
// Given back while VolSync waits, it is as if it had never been set: VolSync's only way
// from waiting to copying is a write to the claim with the version that it read
// (volumehandler.go:570-573), and that write or this one fails. Once VolSync copies, the
// copy goes on; to disarm is still right, or a copy that is lost would be made again
// without waiting, in this sync or the next.
//
// A copy in progress is tainted even if there is nothing to give back: an earlier disarm
// may have done that, and have been killed, or have lost the reply, before it could say so.
func Disarm(c Claim, run string) Decision {
	switch found := c.Armed() && of(run, c.Trigger); {
	case !found && c.Status == StatusInProgress:
		return Decision{Do: End, Outcome: outcome.Tainted,
			Why: "no trigger of run " + run + " is armed, but VolSync is copying: " +
				"if for this run, the copy may be cut after the application ran again",
			Hint: "if this run has fired, do not use this sync's copy"}
	case !found:
		return Decision{Do: End, Outcome: outcome.OK, Why: "no trigger of run " + run + " is armed"}
	case c.Status == StatusInProgress || !c.Enabled:
		// Without use-copy-trigger VolSync copies and leaves the status as it was.
		return Decision{Do: Write, Value: c.Latest, Outcome: outcome.Tainted,
			Why:  fmt.Sprintf("VolSync may have copied already when trigger %q was taken back", c.Trigger),
			Hint: "do not use this sync's copy: it may have been cut after the application ran again"}
	}
	return Decision{Do: Write, Value: c.Latest, Outcome: outcome.Withdrawn,
		Why: fmt.Sprintf("trigger %q was taken back before VolSync took it: no copy was made", c.Trigger)}
}
