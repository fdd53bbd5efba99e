package handshake

import (
	"cmp"
	"slices"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A group is the claims of one run: one freeze around all their copies. What is decided about a
// group is made of what is decided about its members.

// Together is the decision about a group whose members are decided about so. An end that is not
// well ends it for all, by the worst of them; then a write comes first, of whichever member, and
// then a look. It returns the member that it is about; -1 where it is about all.
func Together(ds []Decision) (Decision, int) {
	worst, writes, looks := -1, -1, -1
	for i, d := range ds {
		switch {
		case d.Do == End && d.Outcome != outcome.OK:
			if worst < 0 || outcome.Worse(d.Outcome, ds[worst].Outcome) {
				worst = i
			}
		case d.Do == Write && writes < 0:
			writes = i
		case d.Do == Look && looks < 0:
			looks = i
		}
	}
	for _, i := range []int{worst, writes, looks} {
		if i >= 0 {
			return ds[i], i
		}
	}
	return ds[0], -1
}

// Waits are the waits of a group whose members all wait at the same time, as [Await] found them.
func Waits(ds []Decision) []Wait {
	var waits []Wait
	for _, d := range ds {
		waits = append(waits, d.Wait)
	}
	return waits
}

// SyncsOf returns the syncs that the members of a group were fired into, which the trigger tells of
// all of them together: each is the one that runs, or that has just ended. It returns nil where
// the trigger was made for others.
func SyncsOf(ws []Observed, t Trigger) []Wait {
	return syncsBy(ws, t, func(s Source) string { return cmp.Or(s.SyncStart, s.LastSyncStart) })
}

// SyncsFor is SyncsOf for a step that comes when the syncs may have ended, and others have begun.
func SyncsFor(ws []Observed, t Trigger) []Wait {
	if syncs := SyncsOf(ws, t); syncs != nil {
		return syncs
	}
	return syncsBy(ws, t, func(s Source) string { return cmp.Or(s.LastSyncStart, s.SyncStart) })
}

func syncsBy(ws []Observed, t Trigger, start func(Source) string) []Wait {
	var syncs []Wait
	for _, w := range ws {
		if len(w.Sources) != 1 {
			return nil
		}
		s := w.Sources[0]
		syncs = append(syncs, Wait{ClaimUID: w.Claim.UID, SourceUID: s.UID, SyncStart: start(s)})
	}
	if !t.isOf(syncs...) {
		return nil
	}
	return syncs
}

// FireTogether decides for fire-trigger on a group, before anything is written: the trigger was
// made for the waits of all members together, so all of them must still be what await-waiting has
// seen, and locked. With Write every member is to be fired into its wait, by a [Firing]. It returns
// the member that it is about, too; -1 where it is about all.
//
// Where the trigger is set on some members only, a step was lost between its writes. The waits of
// these are over, so nobody can tell whether the others are in theirs.
func FireTogether(ws []Observed, t Trigger) (d Decision, about int, waits []Wait) {
	var ds []Decision
	for _, w := range ws {
		d := fireInto(w, t, func(Wait) bool { return true })
		ds = append(ds, WithLock(d, w.Claim, t.run))
	}
	d, about = Together(ds)
	fired := slices.ContainsFunc(ds, func(d Decision) bool { return d.Do == End })
	switch {
	case d.Do != Write:
		return d, about, nil
	case fired:
		return *refuse("the trigger is set on some claims of the group and not on others: an earlier attempt was lost",
			"run disarm, then unquiesce, then unlock; then start another run"), -1, nil
	case NewTrigger(t.run, Waits(ds)...) != t:
		return *refuse("the trigger was made for other waits, or other claims, than the present ones",
			"run await-waiting again, then quiesce and fire; name the same claims for both"), -1, nil
	}
	return d, -1, Waits(ds)
}
