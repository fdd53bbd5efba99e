package handshake

import (
	"fmt"
	"strings"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// LockAnnotation is this program's own: the [Lock] of the claim. VolSync keeps what it does
// not know.
//
// Two things hang on it that no annotation of VolSync's tells: whether another run is in its
// freeze, which an unquiesce would end, and whether a process of this run was lost in its own.
const LockAnnotation = "copytrigger/locked-by"

// Lock is the run that has, or may have, quiesced the application of a claim. The zero Lock
// is that of a claim that nobody has locked.
//
//	state    value        put on by                         refuses                         taken off by
//	-------  -----------  --------------------------------  ------------------------------  ------------
//	held     RUN          await-waiting, on a free claim    await-waiting of every run      unlock
//	lost     RUN/lost     disarm and a step that gives up,  the same, and fire-trigger and  unlock, once
//	                      in place of held                  await-completed of RUN          unquiesced
//	cleanup  RUN/cleanup  disarm, on a free claim           the same; await-waiting of      unlock
//	                                                        another run waits for its end
//
// Lost and cleanup keep out whatever still lives of the run, and every other run, until the
// application has been unquiesced: that would end another's freeze. They differ in what a
// failed unquiesce means. After lost the application may be quiesced, and the claim stays
// locked. Before cleanup the run had not locked the claim, so it has quiesced nothing.
type Lock struct {
	Run   string
	State LockState
}

// LockState is how far the run is that has a claim locked.
type LockState uint8

// The states of a lock.
const (
	Free    LockState = iota // nobody has locked the claim
	Held                     // the run may quiesce, fire and take its copy for good
	Lost                     // a process of the run was lost, or gave up: it may do no more
	Cleanup                  // a cleanup has found the claim free
)

// suffix returns the state as it stands in the annotation, after the run's id. No run id has a
// slash.
func (s LockState) suffix() string {
	switch s {
	case Lost:
		return "/lost"
	case Cleanup:
		return "/cleanup"
	}
	return ""
}

// ParseLock reads the value of [LockAnnotation]. A suffix that it does not know is taken for
// lost, which is the most careful state.
func ParseLock(value string) Lock {
	run, suffix, marked := strings.Cut(value, "/")
	switch {
	case value == "":
		return Lock{}
	case !marked:
		return Lock{run, Held}
	case "/"+suffix == Cleanup.suffix():
		return Lock{run, Cleanup}
	}
	return Lock{run, Lost}
}

// String returns the value of [LockAnnotation]; "" removes it.
func (l Lock) String() string { return l.Run + l.State.suffix() }

// Of reports whether the run has the claim locked, in whatever state.
func (l Lock) Of(run string) bool { return l.State != Free && l.Run == run }

// TakeLock decides for an await-waiting that is about to lock the claim. Write means that
// nobody has it, Look that it will be free soon.
func TakeLock(c Claim, run string) Decision {
	switch l := c.Lock; {
	case l.State == Free:
		return Decision{Do: Write, Outcome: outcome.OK, Why: "the claim is not locked"}
	case l.Run == run:
		return Decision{
			Do: End, Outcome: outcome.Tainted,
			Why: "an earlier attempt of this run has locked the claim and was lost: " +
				"the application may be quiesced, and a copy be cut after it runs again",
			Hint: "disarm, unquiesce and unlock with this run's id (a cleanup task does it); " +
				"do not use this sync's copy; then start another run",
		}
	case l.State == Cleanup:
		return *notYet(fmt.Sprintf("the cleanup of run %s has locked it; "+
			"if nothing cleans up any more: copytrigger unlock --run-id %s", l.Run, l.Run))
	default:
		return *refuse(fmt.Sprintf("run %s has locked the claim: its application may be quiesced", l.Run),
			"wait until it has ended; if it is dead, disarm, unquiesce and unlock with its id: "+
				"copytrigger unlock --run-id "+l.Run)
	}
}

// WithLock decides, after any other decision, for a step of a run that has locked the claim:
// without its lock somebody may have let the application run. A decision that does not end
// well by itself is returned unchanged.
func WithLock(d Decision, c Claim, run string) Decision {
	if c.Lock == (Lock{run, Held}) || d.Do == Look || d.Do == End && d.Outcome != outcome.OK {
		return d
	}
	why := "the run's lock on the claim is gone: somebody may have let the application run"
	switch {
	case c.Lock.Of(run):
		why = "the run is taken for lost, by a step of it that gave up or by its cleanup: the application may run"
	case c.Lock.State != Free:
		why = fmt.Sprintf("run %s has locked the claim meanwhile: it may have let the application run", c.Lock.Run)
	}
	if d.Do == Write {
		return *refuse(why, "run await-waiting again, then quiesce and fire")
	}
	return Decision{Do: End, Outcome: outcome.Unverified, Why: why, Hint: "do not rely on this sync's copy"}
}

// Unlock decides for the end of a run: its own lock is taken off, another's is left.
func Unlock(c Claim, run string) Decision {
	switch {
	case c.Lock.State == Free:
		return Decision{Do: End, Outcome: outcome.OK, Why: "the claim is not locked"}
	case c.Lock.Of(run):
		return Decision{Do: Write, Outcome: outcome.OK, Why: "the claim is unlocked"}
	}
	return Decision{Do: End, Outcome: outcome.OK,
		Why: fmt.Sprintf("the claim is locked by run %s, and stays so", c.Lock.Run)}
}

// HasEarlierAttempt reports whether an earlier attempt of the run has left something on the claim:
// its lock, or its trigger, which VolSync has not recorded.
func HasEarlierAttempt(c Claim, run string) bool {
	return c.Lock.Of(run) || c.Armed() && of(run, c.Trigger)
}
