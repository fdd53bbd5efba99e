package handshake

// Activity is what VolSync does about a claim, in its own words where it has one.
type Activity string

// The activities.
const (
	SyncWaits      Activity = "WaitingForTrigger"
	SyncCopies     Activity = "InProgress"
	SyncMoves      Activity = "Synchronizing" // it moves a copy's data, or is about to wait
	SyncIdle       Activity = "Idle"
	NoSource       Activity = "NoSource"
	SeveralSources Activity = "SeveralSources"
	SyncNotKnown   Activity = "Unknown" // VolSync's objects could not be read
)

// Activity returns what VolSync does, and since when, as VolSync says; "" for not known.
func (w Observed) Activity() (does Activity, since string) {
	s, one := w.source()
	switch {
	case w.ClaimOnly:
		return SyncNotKnown, ""
	case len(w.Sources) == 0:
		return NoSource, ""
	case !one:
		return SeveralSources, ""
	case s.SyncStart == "":
		return SyncIdle, s.LastSync
	case w.Claim.waits() && w.Copy == nil:
		return SyncWaits, w.Claim.Since
	case w.Claim.Enabled && w.Claim.Status == StatusInProgress:
		return SyncCopies, s.SyncStart
	}
	return SyncMoves, s.SyncStart
}
