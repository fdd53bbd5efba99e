package handshake

import (
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Recorded decides for await-completed: VolSync's record is good if its copy proves it.
//
// The record alone is an annotation. A second ReplicationSource may have made it for a copy of
// its own, a manager that was started again with an old cache may have made it for a copy that
// is gone, and anybody can write it. So the copy is looked at: that of the one source, in the
// one sync, that await-waiting saw. No copy was there when the trigger was fired ([Fire]), so
// one that is there now was made after that, and one that is cut was cut in the freeze, because
// the application has not run since.
//
// Look means that the proof may come yet. A caller that waits no longer says [Unproved].
func Recorded(w Observed, t Trigger, seen Seen) Decision {
	d := Completed(w.Claim, t, seen)
	if d.Do != End || d.Outcome != outcome.OK || w.ClaimOnly {
		return d
	}
	if why := w.unproved(t, seen); why != "" {
		return *notYet("VolSync recorded the trigger, but " + why)
	}
	return d
}

// Unproved is how await-completed ends if no copy proves the record.
func Unproved(why string) Decision {
	return Decision{Do: End, Outcome: outcome.Unverified, Why: why, Hint: "do not rely on this sync's copy"}
}

// unproved returns why no copy proves the record; "" if one does.
func (w Observed) unproved(t Trigger, seen Seen) string {
	if len(w.Sources) == 0 {
		return "no ReplicationSource copies the claim any more"
	}
	if len(w.Sources) > 1 {
		return fmt.Sprintf("%d ReplicationSources copy the claim: %s", len(w.Sources), sourceNames(w.Sources))
	}
	s := w.Sources[0]
	if w.syncOf(t, s, seen) != syncEnded && !w.Claim.isOfRecord(t) {
		return fmt.Sprintf("somebody has set the trigger %q since, for which the copy may be", w.Claim.Trigger)
	}
	if of := w.syncOf(t, s, seen); of == syncEnded {
		return ""
	} else if of == anotherSync {
		return fmt.Sprintf("ReplicationSource %s neither runs nor has just ended the sync that it was fired for", s.Name)
	}
	switch c := w.Copy; {
	case c == nil:
		return "there is no copy"
	case c.Owner != s.UID || seesCut(s) && c.Of != s.Claim:
		return c.Name + " is not VolSync's copy of this claim"
	case !c.Bound:
		return c.Name + " is not bound"
	case seesCut(s) && c.Cut == "":
		return c.Name + " is not cut"
	}
	return ""
}

// isOfRecord reports whether a copy that is there is that of the record of t. With another trigger
// on the claim it is only if VolSync has not begun another one.
func (c Claim) isOfRecord(t Trigger) bool {
	return c.Trigger == t.String() || c.Status == StatusCompleted
}

// ofTrigger is what a source's syncs are to a trigger.
type ofTrigger int

const (
	anotherSync ofTrigger = iota
	syncRuns              // the one that the trigger was fired for
	syncEnded             // that sync has ended: VolSync ends none before its copy's data are moved
)

// syncOf returns what the syncs of s are to the trigger. Which sync that was, its value says.
func (w Observed) syncOf(t Trigger, s Source, seen Seen) ofTrigger {
	is := func(start string) bool {
		if seen.Sync != (Wait{}) {
			return start != "" && seen.Sync == Wait{ClaimUID: w.Claim.UID, SourceUID: s.UID, SyncStart: start}
		}
		return start != "" && t.isOf(Wait{ClaimUID: w.Claim.UID, SourceUID: s.UID, SyncStart: start})
	}
	switch {
	case is(s.SyncStart):
		return syncRuns
	case is(s.LastSyncStart):
		return syncEnded
	}
	return anotherSync
}
