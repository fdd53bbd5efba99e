package handshake

import (
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Syncing is await-synced between its looks. VolSync ends a sync when its mover has succeeded, and
// for nothing else: so it asks for the end of the very sync that the trigger was fired into.
// Neither lastManualSync nor the mover's last result tells which sync it is of.
type Syncing struct {
	Trigger Trigger
	Sync    Wait // of a member of a group: the sync that it was fired into; the trigger alone does not tell

	recorded bool   // the record was seen
	source   Source // whose sync it is; zero before that was seen
	start    string // of the sync
}

// Next decides about the present state. Ok means that the data have been moved.
func (sy *Syncing) Next(w Observed) Decision {
	sy.recorded = sy.recorded || w.Claim.Latest == sy.Trigger.String()
	if !sy.recorded {
		return Decision{Do: End, Outcome: outcome.Unverified,
			Why:  "VolSync has not recorded the trigger, so there is no copy of this run whose data it could move",
			Hint: "await-completed comes before await-synced, and must have ended with 0"}
	}
	for _, s := range w.Sources {
		switch sy.of(w, s) {
		case syncRuns:
			sy.source, sy.start = s, s.SyncStart
			return s.moving()
		case syncEnded:
			sy.source = s
			return s.moved()
		}
	}
	return sy.lost(w)
}

// of returns what the syncs of s are to the trigger. One that was seen to run is known by its start,
// also when a later one has ended since.
func (sy *Syncing) of(w Observed, s Source) ofTrigger {
	of := w.syncOf(sy.Trigger, s, Seen{Sync: sy.Sync})
	if of == anotherSync && sy.start != "" && s.UID == sy.source.UID && s.SyncStart != sy.start && s.LastSync >= sy.start {
		return syncEnded
	}
	return of
}

// moving is a decision while the sync runs.
func (s Source) moving() Decision {
	why := fmt.Sprintf("ReplicationSource %s moves the data of the sync that it began at %s", s.Name, s.SyncStart)
	d := notYet(why + s.says())
	if s.Paused {
		d = notYet(fmt.Sprintf("ReplicationSource %s is paused, so its mover does not run", s.Name) + s.says())
		d.Hint = "set spec.paused to false"
	}
	return *d
}

// moved is the decision when the sync has ended. Upstream's VolSync has then moved the data. A fork
// of it ends the sync of a paused one without moving anything: so as long as no other sync runs, whose
// result it could be, the mover's last result is looked at, too.
func (s Source) moved() Decision {
	switch {
	case s.Paused:
		return unsynced(fmt.Sprintf("the sync ended while ReplicationSource %s is paused: nobody knows whether its mover ran",
			s.Name), "set spec.paused to false, and start another sync")
	case s.SyncStart == "" && s.MoverResult != "Successful":
		return unsynced(fmt.Sprintf("the sync of ReplicationSource %s has ended, but its mover's last result is %q, "+
			"not Successful", s.Name, s.MoverResult), "see why in the mover's log, and start another sync")
	}
	return Decision{Do: End, Outcome: outcome.OK,
		Why: fmt.Sprintf("ReplicationSource %s has moved the data of the copy: its sync had ended by %s", s.Name, s.LastSync)}
}

// lost is the decision where no source has the sync of the trigger.
func (sy *Syncing) lost(w Observed) Decision {
	const again = "start another run"
	switch {
	case len(w.Sources) == 0:
		return unsynced("no ReplicationSource copies the claim any more, so nobody moves its data", again)
	case sy.source.UID != "":
		return unsynced(fmt.Sprintf("ReplicationSource %s was deleted before it had moved the data", sy.source.Name), again)
	}
	return unsynced(fmt.Sprintf("ReplicationSource %s neither runs nor has just ended the sync of the trigger, "+
		"so nobody saw whether its data were moved", sourceNames(w.Sources)),
		"let await-synced follow its run at once; or "+again)
}

func unsynced(why, hint string) Decision {
	return Decision{Do: End, Outcome: outcome.Unsynced, Why: why, Hint: hint}
}

// Source returns the ReplicationSource whose sync it is, as it was seen last; zero before.
func (sy *Syncing) Source() Source { return sy.source }
