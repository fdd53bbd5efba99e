package handshake

// Source is a ReplicationSource that copies the PVC.
type Source struct {
	Name, UID string
	Version   string // resourceVersion, for a conditional write
	Claim     string // spec.sourcePVC
	Deleting  bool
	Paused    bool
	Mover     string // restic, rclone, rsync, rsyncTLS …
	Method    string // copyMethod: Snapshot, Clone, Direct …

	SnapshotClass string // of its copies, where it names one
	StorageClass  string // of its clones, where it names one

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

	// Binding is the volumeBindingMode of the storage class of a clone; "" where it is not known.
	Binding string

	// ClaimOnly says that Sources and Copy could not be read, by the user's own choice.
	// What they would have proved is then taken on trust.
	ClaimOnly bool
}

// source returns the one ReplicationSource that copies the claim. It reports false where there is
// none, or several, or where they were not read.
func (w Observed) source() (Source, bool) {
	if w.ClaimOnly || len(w.Sources) != 1 {
		return Source{}, false
	}
	return w.Sources[0], true
}

// waiting returns the wait of VolSync, or the first obstacle to one.
func (w Observed) waiting() (Wait, *Decision) {
	for _, o := range obstacles() {
		if no := o.find(w); no != nil {
			return Wait{}, no
		}
	}
	c := w.Claim
	s, _ := w.source()
	return Wait{ClaimUID: c.UID, SourceUID: s.UID, SyncStart: s.SyncStart, Since: c.Since, Latest: c.Latest}, nil
}

func (c Claim) describe() string {
	if c.Status == "" {
		return "it has no " + StatusAnnotation
	}
	return StatusAnnotation + " is " + c.Status
}
