package step

import (
	"github.com/copytrigger/copytrigger/internal/handshake"
)

// finding is an outcome, the report that it goes by, and what that means.
type finding struct {
	outcome handshake.Outcome
	by      Report
	why     string
}

// What a report means that the exit code alone does not say.
const (
	armed    = "the trigger of the run may be armed until disarm has run, and a copy be cut after the application ran again"
	untied   = "VolSync recorded the trigger all the same, for a copy that cannot be tied to the freeze"
	notFired = "nothing was fired"
	unasked  = "it could not look whether a trigger of the run is armed"
	frozen   = "the application may still be quiesced"
	locked   = "the claim may stay locked, and the next run be refused"
	refrozen = "a pod that may still run could quiesce the application again"
)

// judge is the outcome of a run by the reports of its steps. It is ok only if every step
// that is given ended with 0 and await-completed is one of them, or nothing but the
// clean-up is given. Otherwise:
//
//   - How the copy stands, [Reports.copied] says. It is never taken for nothing fired while
//     a trigger of the run may be armed.
//   - A run whose await-waiting or quiesce did not end well was not to fire. If nothing was
//     fired, that step is the reason. A copy that was recorded nevertheless is unverified.
//   - A disarm that could not make sure (tainted) makes the run tainted. Another failure of
//     it, of unquiesce, or of await-pods-ended makes unverified what were ok without it, and
//     is told with whatever else there is to tell.
func (rs Reports) judge() finding {
	if !rs.given(nameAwaitWaiting) && !rs.given(nameQuiesce) && !rs.given(nameFireTrigger) && !rs.given(nameAwaitCompleted) {
		return rs.cleanedUp()
	}
	f := rs.copied()
	switch waiting, quiesced := rs[nameAwaitWaiting], rs[nameQuiesce]; {
	case waiting.failed() && (f.nothingFired() || f.outcome == Failed || rs.silent()):
		f = waiting.word() // without its trigger there is nothing to fire
	case waiting.failed() && f.outcome == handshake.OK:
		f = finding{handshake.Unverified, waiting, untied}
	case quiesced.failed() && f.nothingFired():
		f = finding{handshake.Refused, quiesced, notFired}
	case quiesced.failed() && f.outcome == handshake.OK:
		f = finding{handshake.Unverified, quiesced, untied}
	}
	disarmed, unquiesced := rs[nameDisarm], rs[nameUnquiesce]
	switch {
	case disarmed.failed() && disarmed.Outcome == handshake.Tainted && f.outcome != handshake.Tainted:
		f = finding{handshake.Tainted, disarmed, armed}
	case disarmed.failed() && f.outcome == handshake.OK:
		f = finding{handshake.Unverified, disarmed, untied}
	case unquiesced.failed() && f.outcome == handshake.OK:
		f = finding{handshake.Unverified, unquiesced, frozen}
	case rs[namePodsEnded].failed() && f.outcome == handshake.OK:
		f = finding{handshake.Unverified, rs[namePodsEnded], refrozen}
	case rs[nameUnlock].failed() && f.outcome == handshake.OK:
		f = finding{Failed, rs[nameUnlock], locked} // the copy is good; the clean-up has something to do
	}
	return f
}

// copied is how it stands with the copy, by the word of the two steps that know.
//
// The worse word for the copy counts, tainted before unverified before withdrawn, with one
// exception: after a fire-trigger that refused, whatever await-completed finds armed, being
// copied or completed is somebody else's (it takes for granted that the trigger was fired).
//
// A fire-trigger without a word of its own (it was killed) may have fired, or its write be
// under way still. If await-completed saw the trigger recorded, the copy is unverified:
// nobody saw by which attempt, and so in whose freeze, it was set. If it found no trigger,
// one may still come.
//
// After a trigger that was fired, or may have been, an await-completed that says anything
// but how the copy stands has not taken it back: it looked at another claim, or never did.
func (rs Reports) copied() finding {
	fire, await := rs[nameFireTrigger], rs[nameAwaitCompleted]
	if !rs.given(nameFireTrigger) {
		fire = Report{Step: nameFireTrigger, Outcome: handshake.OK} // by a step that is not given
	}
	if !rs.given(nameAwaitCompleted) {
		await.Step, await.Exit.Doubt = nameAwaitCompleted, "no file is given"
	}
	switch f, a := fire.Outcome, await.Outcome; {
	case f == handshake.Refused && a != handshake.OK && a != handshake.Withdrawn, f == handshake.Tainted:
		return fire.word()
	case a == handshake.Tainted:
		return await.word()
	case f == handshake.Unverified:
		return fire.word()
	case a == handshake.Unverified:
		return await.word()
	case a == handshake.OK && f == handshake.OK:
		return finding{outcome: handshake.OK}
	case a == handshake.OK:
		return finding{handshake.Unverified, fire, untied}
	case a == handshake.Withdrawn:
		return await.word()
	case f == handshake.Withdrawn, f == TimedOut, f == Usage:
		return fire.word()
	case f == Failed && a != "": // the code does not say that nothing was fired
		return fire.word()
	case f == Signalled && a == handshake.Refused: // the code is also that of a step that was killed
		return fire.word()
	case f == handshake.OK:
		return finding{handshake.Tainted, await, armed}
	}
	return finding{handshake.Tainted, fire, armed}
}

// cleanedUp is the outcome where nothing but the clean-up is given.
func (rs Reports) cleanedUp() finding {
	disarmed, unquiesced, pods := rs[nameDisarm], rs[nameUnquiesce], rs[namePodsEnded]
	switch {
	case disarmed.failed() && (disarmed.Outcome == Failed || disarmed.Outcome == Usage || disarmed.Outcome == handshake.Refused):
		return finding{disarmed.Outcome, disarmed, unasked}
	case disarmed.failed():
		return finding{handshake.Tainted, disarmed, armed}
	case unquiesced.failed():
		return finding{Failed, unquiesced, frozen}
	case pods.failed():
		return finding{Failed, pods, refrozen}
	case rs[nameUnlock].failed():
		return finding{Failed, rs[nameUnlock], locked}
	}
	return finding{outcome: handshake.OK}
}

// silent says that neither of the steps that know of the copy ran to its end.
func (rs Reports) silent() bool {
	return !rs[nameFireTrigger].Exit.Ended && !rs[nameAwaitCompleted].Exit.Ended
}

func (f finding) nothingFired() bool {
	return f.outcome == handshake.Refused || f.outcome == TimedOut || f.outcome == Signalled || f.outcome == Usage
}

// word is the outcome that a step names by its exit code. One that names none was killed.
func (r Report) word() finding {
	switch r.Outcome {
	case handshake.Refused:
		return finding{r.Outcome, r, "it was not safe to go on, and nothing was fired"}
	case handshake.Withdrawn:
		return finding{r.Outcome, r, "the trigger was taken back before VolSync took it, so no copy was made"}
	case handshake.Tainted:
		return finding{r.Outcome, r, "VolSync was copying, or it could not find out: a copy may be cut after the application ran again"}
	case handshake.Unverified:
		return finding{r.Outcome, r, "a copy was recorded that cannot be tied to the freeze"}
	case TimedOut:
		return finding{r.Outcome, r, "the limit passed, and nothing was fired"}
	case Signalled:
		return finding{r.Outcome, r, "a signal stopped it, and nothing was fired"}
	case Usage:
		return finding{r.Outcome, r, "its command line was wrong, and it did nothing"}
	case Failed:
		return finding{r.Outcome, r, "an error that has no code of its own"}
	}
	return finding{handshake.Tainted, r, armed}
}
