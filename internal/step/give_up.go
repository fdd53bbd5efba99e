package step

import (
	"context"
	"errors"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// giveBack applies w, and returns its last decision.
func (s Step) giveBack(ctx context.Context, l loop, w *handshake.Disarming) (handshake.Decision, error) {
	_, err := s.apply(ctx, l, w)
	if err != nil && w.LeavesLock() {
		s.warnOfLock(err)
		err = nil
	}
	return w.Decision(), err
}

// giveUp ends a step that has fired, or may have: it gives the trigger back, as w says, and
// returns how that stands. why is what made the step give up. It reports recorded if VolSync
// has recorded the trigger after all; the step has not failed then.
func (s Step) giveUp(ctx context.Context, w handshake.Disarming, why error) (recorded bool, err error) {
	var ending *outcome.Ending
	if !errors.As(why, &ending) { // or it is said at the end, and enough
		s.Log.Warn("giving up: " + why.Error())
	}
	ctx, cancel := afterwards(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, loop{passes: lenient}, &w)
	if err == nil && d.Outcome == outcome.Tainted && d.Do == handshake.Write && !w.AfterFreeze {
		d = s.waitsAnew(ctx, d)
	}
	switch {
	case err == nil && d.Outcome == outcome.OK:
		return true, nil
	case err == nil && ending != nil && (ending.Outcome == d.Outcome || d.Outcome == outcome.Refused):
		return false, ending // that nothing is there to be given back says less
	case err == nil:
		return false, &outcome.Ending{Outcome: d.Outcome, Why: s.about(why.Error(), d.Why), Hint: s.hint(d), Err: why}
	case kube.IsNotFound(err) && !w.Seen.Fired:
		return false, s.unfired(err, "")
	case kube.IsNotFound(err):
		return false, &outcome.Ending{
			Outcome: outcome.Tainted, Err: why,
			Why:  s.subject() + ": it was deleted, and its trigger with it; VolSync may have been copying",
			Hint: "do not rely on this sync's copy",
		}
	}
	return false, s.undecided(fmt.Errorf("%w; then: %w", why, err), w.Run)
}

// giveUpFired is giveUp inside the freeze: the run is lost with it.
func (s Step) giveUpFired(
	ctx context.Context, t handshake.Trigger, seen handshake.Seen, why error,
) (recorded bool, err error) {
	return s.giveUp(ctx, handshake.Disarming{Run: t.Run(), Trigger: t, Seen: seen, Lock: handshake.LockLost}, why)
}

// undecided is the ending when the trigger may still be armed.
func (s Step) undecided(err error, run string) error {
	disarm := handshake.Move{Kind: handshake.MoveDisarm, Run: run}
	hint := s.then("as soon as the API server answers", disarm)
	if failed := (*kube.Error)(nil); errors.As(err, &failed) && !kube.Passing(failed) && s.hintAfter(failed) != "" {
		hint = joinHints(s.hintAfter(failed), s.then("", disarm))
	}
	return &outcome.Ending{
		Outcome: outcome.Tainted, Left: outcome.LeftArmed, Err: err,
		Why:  s.about(fmt.Sprintf("cannot make sure that no trigger of run %s stays armed: %v", run, err)),
		Hint: hint,
	}
}

// because adds what was being waited for to the reason for giving up.
func because(err error, reason string) error {
	var ending *outcome.Ending
	if reason == "" || errors.As(err, &ending) {
		return err
	}
	return fmt.Errorf("%w while waiting: %s", err, reason)
}
