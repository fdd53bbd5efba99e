package verdict

import "github.com/copytrigger/copytrigger/internal/outcome"

// verdict is an outcome, the report that it goes by, and what that means.
type verdict struct {
	outcome outcome.Outcome
	by      report
	why     string
}

// What a report means that the exit code alone does not say.
const (
	armed = "the trigger of the run may be armed until disarm has run, " +
		"and a copy be cut after the application ran again"
	untied      = "VolSync recorded the trigger all the same, for a copy that cannot be tied to the freeze"
	notFired    = "nothing was fired"
	unasked     = "it could not look whether a trigger of the run is armed"
	mayBeFrozen = "the application may still be quiesced"
	locked      = "the claim may stay locked, and the next run be refused"
	// unquiesce is skipped where disarm could not tell whose lock is on the claim.
	leftAlone   = "where disarm could not read the lock, unquiesce was skipped, and THE APPLICATION MAY STILL BE QUIESCED"
	couldFreeze = "a pod that may still run could quiesce the application again"
	manualStays = "its manual trigger may stay on the ReplicationSource"
	notSynced   = "the copy is good, and nobody saw that VolSync has moved its data"
)

// combine returns the verdict on a run by the reports of its steps. It is ok only if every
// step that is given ended with 0 and await-completed is one of them, or nothing but the
// cleanup is given. Otherwise:
//
//   - [Run.ofCopy] says how the copy stands. It is never taken for nothing fired while
//     a trigger of the run may be armed.
//   - A run whose await-waiting or quiesce did not end well was not to fire. If nothing was
//     fired, that step is the reason. A copy that was recorded nevertheless is unverified.
//   - A disarm that could not make sure (tainted) makes the run tainted. Another failure of
//     it, of unquiesce, or of await-pods-ended makes unverified what would be ok without it, and
//     is told with whatever else there is to tell.
//   - A start-sync that did not end well is the reason where nothing came after it. An await-synced
//     that did not makes unsynced what would be ok without it: what it saw of the mover makes no copy
//     worse.
func (run Run) combine() verdict {
	if run.Cleanup() {
		return run.ofCleanup()
	}
	v := run.ofCopy()
	switch waiting, quiesced := run.reports[awaitWaiting], run.reports[quiesce]; {
	case waiting.failed() && (v.nothingFired() || v.outcome == outcome.Failed || run.noneEnded()):
		v = waiting.verdict() // without its trigger there is nothing to fire
	case waiting.failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Unverified, waiting, untied}
	case quiesced.failed() && v.nothingFired():
		v = verdict{outcome.Refused, quiesced, notFired}
	case quiesced.failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Unverified, quiesced, untied}
	}
	disarmed, unquiesced := run.reports[disarm], run.reports[unquiesce]
	switch {
	case disarmed.failed() && disarmed.outcome == outcome.Tainted && v.outcome != outcome.Tainted:
		v = verdict{outcome.Tainted, disarmed, armed}
	case disarmed.failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Unverified, disarmed, untied}
	case unquiesced.failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Unverified, unquiesced, mayBeFrozen}
	case run.reports[podsEnded].failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Unverified, run.reports[podsEnded], couldFreeze}
	case run.reports[unlock].failed() && v.outcome == outcome.OK:
		v = verdict{outcome.Failed, run.reports[unlock], locked} // the copy is good; the cleanup has something to do
	}
	return run.withSync(v)
}

// withSync returns the verdict with what the steps say that begin the sync, and await its end.
func (run Run) withSync(v verdict) verdict {
	started, synced := run.reports[startSync], run.reports[awaitSynced]
	switch {
	case started.failed() && started.outcome != "" && run.noneEnded() && !run.reports[awaitWaiting].exit.Ended:
		return started.verdict()
	case started.failed() && v.outcome == outcome.OK:
		return verdict{outcome.Failed, started, manualStays}
	case synced.failed() && v.outcome == outcome.OK && synced.outcome == outcome.Unverified:
		return synced.verdict()
	case synced.failed() && v.outcome == outcome.OK:
		return verdict{outcome.Unsynced, synced, notSynced}
	}
	return v
}

// ofCopy returns how it stands with the copy, by the two steps that know.
//
// The worse outcome for the copy counts, tainted before unverified before withdrawn, with one
// exception: after a fire-trigger that refused, whatever await-completed finds armed, being
// copied or completed is somebody else's (it takes for granted that the trigger was fired).
//
// A fire-trigger without an outcome of its own (it was killed) may have fired, or its write be
// under way still. If await-completed saw the trigger recorded, the copy is unverified:
// nobody saw by which attempt, and so in whose freeze, it was set. If it found no trigger,
// one may still come.
//
// After a trigger that was fired, or may have been, an await-completed that says anything
// but how the copy stands has not taken it back: it looked at another claim, or never did.
func (run Run) ofCopy() verdict {
	fire, await := run.reports[fireTrigger], run.reports[awaitCompleted]
	if !run.given(fireTrigger) {
		fire = report{step: fireTrigger, outcome: outcome.OK} // by a step that is not given
	}
	if !run.given(awaitCompleted) {
		await.step, await.exit.Doubt = awaitCompleted, "no file is given"
	}
	switch fired, awaited := fire.outcome, await.outcome; {
	case fired == outcome.Refused && awaited != outcome.OK && awaited != outcome.Withdrawn, fired == outcome.Tainted:
		return fire.verdict()
	case awaited == outcome.Tainted:
		return await.verdict()
	case fired == outcome.Unverified:
		return fire.verdict()
	case awaited == outcome.Unverified:
		return await.verdict()
	case awaited == outcome.OK && fired == outcome.OK:
		return verdict{outcome: outcome.OK}
	case awaited == outcome.OK:
		return verdict{outcome.Unverified, fire, untied}
	case awaited == outcome.Withdrawn:
		return await.verdict()
	case fired == outcome.Withdrawn, fired == outcome.TimedOut, fired == outcome.Usage:
		return fire.verdict()
	case fired == outcome.Failed && awaited != "": // the code does not say that nothing was fired
		return fire.verdict()
	case fired == outcome.Signalled && awaited == outcome.Refused: // the code is also that of a step that was killed
		return fire.verdict()
	case fired == outcome.OK:
		return verdict{outcome.Tainted, await, armed}
	}
	return verdict{outcome.Tainted, fire, armed}
}

// ofCleanup returns the verdict where nothing but the cleanup is given.
func (run Run) ofCleanup() verdict {
	disarmed, unquiesced, pods := run.reports[disarm], run.reports[unquiesce], run.reports[podsEnded]
	switch {
	case disarmed.outcome == outcome.Failed, disarmed.outcome == outcome.Usage, disarmed.outcome == outcome.Refused:
		return verdict{disarmed.outcome, disarmed, unasked}
	case disarmed.failed():
		return verdict{outcome.Tainted, disarmed, armed}
	case unquiesced.failed():
		return verdict{outcome.Failed, unquiesced, mayBeFrozen}
	case pods.failed():
		return verdict{outcome.Failed, pods, couldFreeze}
	case run.reports[unlock].failed():
		return verdict{outcome.Failed, run.reports[unlock], locked}
	}
	return verdict{outcome: outcome.OK}
}

// noneEnded reports whether neither of the steps that know of the copy ran to its end.
func (run Run) noneEnded() bool {
	return !run.reports[fireTrigger].exit.Ended && !run.reports[awaitCompleted].exit.Ended
}

// nothingFired reports whether the outcome says that nothing was fired.
func (v verdict) nothingFired() bool {
	switch v.outcome {
	case outcome.Refused, outcome.TimedOut, outcome.Signalled, outcome.Usage:
		return true
	}
	return false
}

// verdict is the outcome that a step names by its exit code. One that names none was killed.
func (r report) verdict() verdict {
	if r.outcome == "" {
		return verdict{outcome.Tainted, r, armed}
	}
	return verdict{r.outcome, r, r.outcome.Meaning()}
}
