package handshake

import (
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Cut decides for await-completed --until=cut: may the application run again, although
// VolSync has not recorded the trigger yet?
//
// It may when the storage has cut VolSync's own VolumeSnapshot of this trigger. CSI's
// CreateSnapshot returns only when the snapshot is cut (spec.md, "The ready_to_use
// Parameter"); the sidecar writes creationTime only after that, and never again
// (external-snapshotter, sidecar-controller/snapshot_controller.go:455-510). What cannot be
// told from a value (drivers set any time) its presence tells. status.error is left alone:
// drivers report errors that pass.
//
// No copy was there when the trigger was fired ([Fire]), so one that is there now was made
// after that. Whether it is the one that VolSync records in the end, [Verified] decides.
func Cut(w Observed, t Trigger, seen Seen) Decision {
	d := Recorded(w, t, seen)
	if d.Do != Look || w.Claim.Latest == t.String() || w.Claim.Status != StatusInProgress || len(w.Sources) != 1 {
		return d
	}
	switch s, c := w.Sources[0], w.Copy; {
	case !seesCut(s):
		return NoCut(w)
	case c == nil:
		return *notYet("VolSync is copying; there is no VolumeSnapshot yet" + s.says())
	case c.Owner != s.UID || c.Of != s.Claim:
		return *notYet(fmt.Sprintf("VolSync is copying; %s is not VolSync's copy of this claim", c.Name))
	case c.Deleting:
		return *notYet(fmt.Sprintf("VolSync is copying; %s is being deleted", c.Name))
	case c.Problem != "" && c.Cut == "":
		return *notYet(fmt.Sprintf("VolSync is copying; the storage reports for %s: %s", c.Name, c.Problem))
	case c.Cut == "" || !c.Bound:
		return *notYet(fmt.Sprintf("VolSync is copying; %s is not cut yet", c.Name))
	}
	if w.syncOf(t, w.Sources[0], seen) == anotherSync {
		return Unproved(madeForOthers)
	}
	return Decision{Do: End, Outcome: outcome.OK, Why: fmt.Sprintf("%s was cut at %s", w.Copy.Name, w.Copy.Cut)}
}

// madeForOthers is about a trigger that was made for a group, of which other claims are named now.
const madeForOthers = "the trigger was made for another sync than the present one, or for more claims than this one"

// NoCut refuses a wait for the cut where nobody sees one. It is asked before anything is
// quiesced. It ends with ok where there may be a cut.
func NoCut(w Observed) Decision {
	if len(w.Sources) == 1 && !seesCut(w.Sources[0]) {
		s := w.Sources[0]
		return *refuse(fmt.Sprintf("ReplicationSource %s has copyMethod %q, of which nobody sees the cut", s.Name, s.Method),
			"set copyMethod to Snapshot, or leave --until=cut out")
	}
	return Decision{Do: End, Outcome: outcome.OK}
}

func seesCut(s Source) bool {
	method, _ := CopyMethodOf(s.Method)
	return method.Snapshot
}

// Verified decides whether VolSync records the trigger for the copy that was cut in the
// freeze, uid. The application runs again: a copy that was made anew meanwhile, because
// somebody deleted this one, is worth nothing, and nobody would see a difference in the
// annotations.
func Verified(w Observed, t Trigger, seen Seen, uid string) Decision {
	d := Completed(w.Claim, t, seen)
	same := w.Copy != nil && w.Copy.UID == uid
	switch {
	case d.Do == Look && (!same || w.Copy.Deleting):
		return Decision{
			Do: End, Outcome: outcome.Unverified,
			Why:  "the copy that was cut in the freeze is gone, and VolSync has not recorded it: " + describeCopy(w.Copy),
			Hint: "do not use this sync's copy: VolSync makes another one of the application that runs",
		}
	case d.Do == End && d.Outcome == outcome.OK && !same:
		// VolSync deletes its copy only when the data has been moved; then nobody can tell any more.
		return Decision{
			Do: End, Outcome: outcome.Unverified,
			Why:  "VolSync recorded the trigger, and it cannot be told for which copy: " + describeCopy(w.Copy),
			Hint: "do not rely on this sync's copy",
		}
	case d.Do == End && d.Outcome == outcome.OK && len(w.Sources) == 1 && w.syncOf(t, w.Sources[0], seen) == anotherSync:
		return Unproved(madeForOthers)
	}
	return d
}

func describeCopy(c *Copy) string {
	switch {
	case c == nil:
		return "there is none"
	case c.Deleting:
		return c.Name + " is being deleted"
	}
	return fmt.Sprintf("%s is another one (uid %s)", c.Name, c.UID)
}
