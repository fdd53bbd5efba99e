package handshake

import (
	"fmt"
	"strings"
)

// Source is a ReplicationSource that copies the PVC.
type Source struct {
	Name, UID string
	Version   string // resourceVersion, for a conditional write
	Claim     string // spec.sourcePVC
	Deleting  bool
	Paused    bool
	Mover     string // restic, rclone, rsync, rsyncTLS …
	Method    string // copyMethod: Snapshot, Clone, Direct …
	SyncStart string // status.lastSyncStartTime: set exactly while a sync runs (statemachine/machine.go:162-174)

	LastSyncStart string // of the last sync that has ended; "" if none has
	LastSync      string // status.lastSyncTime: when it ended

	Schedule           string // spec.trigger.schedule, which rests as long as manual is set
	Manual, LastManual string // spec.trigger.manual, and what it was when the last sync ended
	Started            string // [StartedAnnotation]
	MoverResult        string // status.latestMoverStatus: Failed, Successful

	// For messages.
	Trouble  string // of the condition Synchronizing, where that is an error: reason and message
	NextSync string // status.nextSyncTime
	MoverLog string // the mover's last words
}

// Copy is the VolumeSnapshot (copyMethod Snapshot) or PVC (Clone) that VolSync makes.
type Copy struct {
	Name, UID string
	Owner     string // uid of the ReplicationSource that controls it
	Of        string // the claim that a VolumeSnapshot is of
	Bound     bool   // a VolumeSnapshot has its content, a claim its volume
	Deleting  bool
	Cut       string // when the storage froze the content: status.creationTime; "" for not yet or not known
	Created   string // when it was made
	OwnerName string // who controls it, as KIND/NAME; "" for nobody
	Problem   string // what the storage reports: status.error.message; VolSync never reads it
}

// Observed is everything that a decision is taken from.
type Observed struct {
	Claim   Claim
	Sources []Source // every ReplicationSource with this sourcePVC
	Copy    *Copy    // nil: there is none

	// ClaimOnly says that Sources and Copy could not be read, by the user's own choice.
	// What they would have proved is then taken on trust.
	ClaimOnly bool
}

// source returns the one ReplicationSource that copies the PVC, or why there is no safe answer.
func (w Observed) source() (Source, *Decision) {
	switch len(w.Sources) {
	case 1:
	case 0:
		return Source{}, refuse("no ReplicationSource has it as sourcePVC, so nobody would take the trigger",
			"create the ReplicationSource, or check --namespace and the claim's name")
	default:
		// replicationsource_controller.go:197: "This will break if multiple
		// replicationsources use the same PVC as a source".
		return Source{}, refuse(fmt.Sprintf("%d ReplicationSources have it as sourcePVC, "+
			"and VolSync's copy triggers work with one only: %s", len(w.Sources), sourceNames(w.Sources)),
			"leave one ReplicationSource for the claim")
	}
	s := w.Sources[0]
	_, honoured := CopyMethodOf(s.Method)
	switch {
	case s.Deleting:
		return s, refuse(fmt.Sprintf("ReplicationSource %s is being deleted, so nobody would take the trigger", s.Name),
			"wait until it is created again")
	case !Honours(s.Mover):
		return s, refuse(fmt.Sprintf("ReplicationSource %s has the mover %q, which ignores copy triggers", s.Name, s.Mover),
			"use a mover that honours them: "+moverNames())
	case !honoured:
		return s, refuse(fmt.Sprintf("ReplicationSource %s has copyMethod %q, which ignores copy triggers", s.Name, s.Method),
			"set copyMethod to "+copyMethodNames())
	case s.Paused:
		// The copy would be taken and shipped only when somebody ends the pause.
		return s, refuse(fmt.Sprintf("ReplicationSource %s is paused", s.Name), "set spec.paused to false")
	}
	return s, nil
}

// waiting returns the wait of VolSync, or why there is none yet, or never will be.
func (w Observed) waiting() (Wait, *Decision) {
	c := w.Claim
	if no := c.unsafe(); no != nil {
		return Wait{}, no
	}
	var s Source
	if !w.ClaimOnly {
		var no *Decision
		if s, no = w.source(); no != nil {
			return Wait{}, no
		}
		if s.SyncStart == "" {
			// Without a sync nobody waits, whatever the claim says (the status outlives the sync).
			return Wait{}, s.idle()
		}
		if w.Copy != nil {
			// While a copy exists VolSync does not wait, and acknowledges any trigger at once (volumehandler.go:420, 502).
			if w.Copy.Deleting {
				return Wait{}, notYet(fmt.Sprintf("the copy %s of an earlier sync is being deleted", w.Copy.Name))
			}
			return Wait{}, w.leftOver(s)
		}
	}
	if !c.waits() {
		return Wait{}, notYet("VolSync does not wait yet: " + c.describe() + s.says())
	}
	if !c.Bound {
		return Wait{}, notYet("it is not bound to a volume: VolSync waits, but there is nothing to copy")
	}
	return Wait{ClaimUID: c.UID, SourceUID: s.UID, SyncStart: s.SyncStart, Since: c.Since, Latest: c.Latest}, nil
}

// unsafe returns why a sync would copy the claim without waiting, or not at all; nil if it waits.
func (c Claim) unsafe() *Decision {
	var no *Decision
	switch {
	case c.Deleting:
		no = refuse("it is being deleted", "wait until it is created again")
	case !c.Enabled:
		no = refuse("it has no annotation "+UseAnnotation+", so VolSync copies it without waiting", "add the annotation")
		no.Next = Move{Kind: MoveAnnotate, Key: UseAnnotation, Value: "true"}
	case c.Armed():
		no = refuse(fmt.Sprintf("it is armed with the trigger %q, which VolSync has not recorded: "+
			"the next sync copies without waiting", c.Trigger), "find out who set it; to take it back")
		no.Next = Move{Kind: MoveAnnotate, Key: TriggerAnnotation, Value: c.Latest}
	}
	return no
}

func (c Claim) describe() string {
	if c.Status == "" {
		return "it has no " + StatusAnnotation
	}
	return StatusAnnotation + " is " + c.Status
}

func sourceNames(ss []Source) string {
	var names []string
	for _, s := range ss {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}
