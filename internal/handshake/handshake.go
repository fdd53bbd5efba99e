// Package handshake is VolSync's copy-trigger protocol: what the annotations of a
// source PersistentVolumeClaim (PVC) say, and what a coordinator may do about it.
// It is pure: facts in, decisions out. It does no I/O, knows no clock, and imports
// nothing outside the standard library.
//
// In VolSync's words: a PVC with the annotation use-copy-trigger is copied only after
// somebody has given copy-trigger a value that differs from latest-copy-trigger.
//
//	           (the copy does not exist)                          (the copy is ready)
//	┌──────┐ not armed  ┌───────────────────┐  armed  ┌────────────┐         ┌───────────┐
//	│ sync ├───────────►│ WaitingForTrigger ├────────►│ InProgress ├────────►│ Completed │
//	└──┬───┘            └───────────────────┘         └────────────┘         └───────────┘
//	   └───── armed already: straight to InProgress ────────▲     latest-copy-trigger := copy-trigger
//
// Three of its properties make a coordinator hard, and every rule here serves one:
//
//   - A trigger set while no copy is being waited for is kept: the next sync copies
//     at once, with nobody quiesced. Hence [Fire] only into a wait, and [Disarm].
//   - While a copy exists, VolSync echoes any change of copy-trigger into
//     latest-copy-trigger within milliseconds, without a new copy. Hence [Fire]
//     refuses while a copy exists.
//   - The status is never reset: WaitingForTrigger may be left from a sync that is
//     gone, Completed from the copy before. Hence [Await] asks for a running sync,
//     and [Completed] for the echo of this run's trigger, never for a status.
//
// Lines cited as volumehandler.go are internal/controller/volumehandler/volumehandler.go
// of VolSync v0.14.0; the functions cited are the same in every release from v0.9.0 on.
package handshake

// The annotations of the source PVC (VolSync api/v1alpha1/common_types.go:78-84).
const (
	UseAnnotation     = "volsync.backube/use-copy-trigger"                  // written by the user
	TriggerAnnotation = "volsync.backube/copy-trigger"                      // written by the coordinator
	LatestAnnotation  = "volsync.backube/latest-copy-trigger"               // written by VolSync
	StatusAnnotation  = "volsync.backube/latest-copy-status"                // written by VolSync
	SinceAnnotation   = "volsync.backube/latest-copy-trigger-waiting-since" // written by VolSync
)

// BoundAnnotation is "yes" on a claim that is bound, and set by Kubernetes' volume controller. The
// phase itself is not part of a claim's metadata.
const BoundAnnotation = "pv.kubernetes.io/bind-completed"

// The values of [StatusAnnotation] (VolSync api/v1alpha1/common_types.go:87-89).
const (
	StatusWaiting    = "WaitingForTrigger"
	StatusInProgress = "InProgress"
	StatusCompleted  = "Completed"
)

// Claim is what the source PVC says.
type Claim struct {
	UID      string
	Deleting bool
	Bound    bool // it has a volume

	Enabled bool   // use-copy-trigger is there
	Use     string // its value, which VolSync does not read
	Trigger string // copy-trigger; "" is the same as absent
	Latest  string // latest-copy-trigger: copy-trigger as it was when a copy was recorded
	Status  string // latest-copy-status
	Since   string // latest-copy-trigger-waiting-since

	Lock Lock // who has it locked

	LastRun  string // how the last run ended, of [LastRunAnnotation]
	LastGood string // when the last good copy was cut, of [LastGoodAnnotation]
}

// ReadClaim reads the annotations of a PVC.
//
// Presence alone enables copy triggers; "" and "false" do as well
// (internal/controller/utils/copy_trigger_annotations.go:32).
func ReadClaim(uid string, deleting bool, annotations map[string]string) Claim {
	use, enabled := annotations[UseAnnotation]
	return Claim{
		UID: uid, Deleting: deleting, Bound: annotations[BoundAnnotation] == "yes",
		Enabled: enabled, Use: use,
		Trigger: annotations[TriggerAnnotation],
		Latest:  annotations[LatestAnnotation],
		Status:  annotations[StatusAnnotation],
		Since:   annotations[SinceAnnotation],

		Lock:     ParseLock(annotations[LockAnnotation]),
		LastRun:  annotations[LastRunAnnotation],
		LastGood: annotations[LastGoodAnnotation],
	}
}

// Armed reports whether VolSync's next look copies without waiting: the negation of the
// condition under which it waits (volumehandler.go:527).
func (c Claim) Armed() bool { return c.Trigger != "" && c.Trigger != c.Latest }

// waits reports whether VolSync has announced a wait and nothing has ended it. Whether it
// still waits, [Observed.waiting] knows: the announcement outlives the sync it was made in.
//
// Since is part of it because VolSync writes it whenever it waits and finds it missing
// (copy_trigger_annotations.go, SetLatestCopyStatusWaitingForTrigger), and because the
// trigger is made from it: it must have settled.
func (c Claim) waits() bool {
	return c.Enabled && !c.Armed() && c.Status == StatusWaiting && c.Since != ""
}

// in reports whether VolSync still waits on the claim as it did when the wait was found.
func (c Claim) in(w Wait) bool {
	return c.waits() && !c.Deleting && c.UID == w.ClaimUID && c.Since == w.Since && c.Latest == w.Latest
}
