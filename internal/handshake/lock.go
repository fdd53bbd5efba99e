package handshake

import (
	"fmt"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// LockAnnotation is this program's own: the id of the run that has, or may have, quiesced
// the application of the claim. A run that locks sets it before quiesce, and takes it away
// when the application runs again. VolSync keeps what it does not know.
//
// Two things hang on it that no annotation of VolSync's tells: whether another run is in
// its freeze, which an unquiesce would end, and whether a pod of this run was lost in its
// own.
const LockAnnotation = "copytrigger/locked-by"

// Lock decides for an await-waiting that is about to lock the claim. Write means that
// nobody has it, Look that it will be free soon.
func Lock(c Claim, run string) Decision {
	switch other := RunOf(c.LockedBy); {
	case c.LockedBy == "":
		return Decision{Do: Write, Outcome: outcome.OK, Why: "the claim is not locked"}
	case other == run:
		return Decision{Do: End, Outcome: outcome.Tainted,
			Why:  "an earlier attempt of this run has locked the claim and was lost: the application may be quiesced, and a copy be cut after it runs again",
			Hint: "disarm, unquiesce and unlock with this run's id (a clean-up task does it); do not use this sync's copy; then start another run"}
	case c.LockedBy == cleanUpLock(other):
		return *notYet(fmt.Sprintf("the clean-up of run %s has locked it; if nothing cleans up any more: copytrigger unlock --run-id %s", other, other))
	default:
		return *refuse(fmt.Sprintf("run %s has locked the claim: its application may be quiesced", other),
			"wait until it has ended; if it is dead, disarm, unquiesce and unlock with its id: copytrigger unlock --run-id "+other)
	}
}

// Locked decides, after any other decision, for a step of a run that has locked the claim:
// without its lock somebody may have let the application run. It leaves alone what does not
// end well by itself.
func Locked(d Decision, c Claim, run string) Decision {
	if c.LockedBy == run || d.Do == Look || d.Do == End && d.Outcome != outcome.OK {
		return d
	}
	why := "the run's lock on the claim is gone: somebody may have let the application run"
	switch {
	case Mine(c, run):
		why = "the run is taken for lost, by a step of it that gave up or by its clean-up: the application may run"
	case c.LockedBy != "":
		why = fmt.Sprintf("run %s has locked the claim meanwhile: it may have let the application run", RunOf(c.LockedBy))
	}
	if d.Do == Write {
		return *refuse(why, "run await-waiting again, then quiesce and fire")
	}
	return Decision{Do: End, Outcome: outcome.Unverified, Why: why, Hint: "do not rely on this sync's copy"}
}

// Unlock decides for the end of a run: its own lock is taken away, another's is left.
func Unlock(c Claim, run string) Decision {
	switch {
	case c.LockedBy == "":
		return Decision{Do: End, Outcome: outcome.OK, Why: "the claim is not locked"}
	case Mine(c, run):
		return Decision{Do: Write, Outcome: outcome.OK, Why: "the claim is unlocked"}
	}
	return Decision{Do: End, Outcome: outcome.OK, Why: fmt.Sprintf("the claim is locked by run %s, and stays so", RunOf(c.LockedBy))}
}

// lostLock is the lock of a run whose attempt was lost, while its application is let go. It
// keeps other runs out, and whatever still lives of that attempt as well: [Locked] does not
// take it for the run's own. No run id has a slash.
func lostLock(run string) string { return run + "/lost" }

// cleanUpLock is the lock of a clean-up that has found the claim not locked. It keeps other
// runs out, or its unquiesce could end their freeze. The run itself has quiesced nothing
// while this is on.
func cleanUpLock(run string) string { return run + "/clean-up" }

// RunOf is the run that has, or had, a claim locked with this value.
func RunOf(lock string) string {
	run, _, _ := strings.Cut(lock, "/")
	return run
}

// Mine says whether the lock of the claim is that of the run, of a lost attempt or of a
// clean-up of it, too.
func Mine(c Claim, run string) bool { return c.LockedBy != "" && RunOf(c.LockedBy) == run }

// CleansUp says that the lock is that of a clean-up, which was put on when the run had none.
func CleansUp(c Claim, run string) bool { return c.LockedBy == cleanUpLock(run) }

// Lost says that an attempt of the run has been here before: its lock is on the claim, or
// its trigger, which VolSync has not recorded.
func Lost(c Claim, run string) bool { return Mine(c, run) || c.Armed() && of(run, c.Trigger) }

// Mark is the lock that a claim gets from whoever is going to let go the application of a
// lost attempt: what that one has locked is marked, so that it cannot fire, or take a copy
// for good, any more. With keepOut, what nobody has locked gets a lock, too.
func Mark(c Claim, run string, keepOut bool) string {
	switch {
	case c.LockedBy == run && run != "":
		return lostLock(run)
	case c.LockedBy == "" && keepOut:
		return cleanUpLock(run)
	}
	return c.LockedBy
}
