package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// surrenderLimit bounds the giving back of a trigger when a step gives up. Together with
// writeLimit it fits into the 30 s that a pod has between SIGTERM and SIGKILL.
const surrenderLimit = 15 * time.Second

// lastly is a context for what must still be done when ctx has ended.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), surrenderLimit, timeUp{surrenderLimit})
}

// change is what is to become of the claim: of its trigger, by the decision, and of its lock.
type change struct {
	handshake.Decision
	lock string // the value that it is to have
	must bool   // without it a write of the trigger that is under way could still be kept
}

// markTries is how often a write that would change the lock, too, is tried before it is
// done without: the trigger is what must be given back, and its own write fences as well.
const markTries = 3

// giveBack applies a decision about the claim until nothing is left to write, and gives
// the last one. It reads the claim alone: to disarm must need no more rights than to fire.
//
// A change of the lock is part of the same write, or one of its own. Either way a write of
// the run that is still under way fails after it, for the claim has changed. That the lock
// may not be changed is said, and no reason to give nothing back.
func (s Step) giveBack(ctx context.Context, passes func(error) bool, decide func(handshake.Claim) change) (handshake.Decision, error) {
	var (
		d, unsure change          // unsure: the reply to its write was lost
		expected  handshake.Claim // what that write makes of the claim
		tries     int             // to change the lock
		denied    bool            // to change the lock
		alone     bool            // the last write was of the lock alone
	)
	unmarked := func(err error) {
		s.Log.Warn(s.subject() + ": its lock was not changed, so other processes of the run are not kept from firing, nor other runs from quiescing: " + err.Error())
	}
	err := s.persistIf(ctx, passes, func(ctx context.Context) error {
		for {
			alone = false
			st, err := s.lookAtClaim(ctx)
			if err != nil {
				return err
			}
			c := st.world.Claim
			// It was done if nothing else is different: the trigger alone may have been taken
			// back by another hand, after VolSync took it. Tainted it is by any hand.
			if unsure.Do == handshake.Write && (c == expected || unsure.Outcome == outcome.Tainted && c.Trigger == unsure.Value) {
				d = unsure
				return nil
			}
			d = decide(c)
			values, after := map[string]string{}, c
			if d.Do == handshake.Write {
				values[handshake.TriggerAnnotation], after.Trigger = d.Value, d.Value
			}
			mark := d.lock != c.LockedBy && !denied && (tries < markTries || d.Do != handshake.Write)
			if mark {
				values[handshake.LockAnnotation], after.LockedBy = d.lock, d.lock
			}
			if len(values) == 0 {
				return nil
			}
			alone = d.Do != handshake.Write
			switch _, err = s.Claims.Annotate(ctx, st.claim, values); {
			case err == nil:
				return nil
			case kube.IsConflict(err):
				continue
			case !alone && !kube.Undone(err):
				unsure, expected = d, after
			}
			if !mark {
				return err
			}
			tries++
			if denied = !passes(err); denied || !alone && tries == markTries {
				unmarked(err)
				continue
			}
			return err
		}
	})
	if err != nil && alone && !d.must {
		unmarked(err)
		err = nil
	}
	return d.Decision, err
}

// lenient is for who had the right a moment ago: a refusal, too, may pass.
func lenient(err error) bool { return kube.Passing(err) || kube.IsDenied(err) }

// Unfire gives the trigger back after a fire-trigger that was well, but for why must not
// be: its results cannot be left to the next step. It is nil if VolSync recorded it.
func (s Step) Unfire(ctx context.Context, t handshake.Trigger, why error) error {
	return s.surrender(ctx, t, handshake.Seen{Fired: true}, s.Lock, why)
}

// surrender ends a step that has fired, or may have: it gives the trigger back and says
// how it stands. It is nil if VolSync recorded the trigger after all. why is what made
// the step give up. With lost the run's lock is marked ([handshake.Mark]): a write of the
// trigger may still be under way.
func (s Step) surrender(ctx context.Context, t handshake.Trigger, seen handshake.Seen, lost bool, why error) error {
	var ending *outcome.Ending
	if !errors.As(why, &ending) { // or it is said at the end, and enough
		s.Log.Warn("giving up: " + why.Error())
	}
	ctx, cancel := lastly(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, lenient, func(c handshake.Claim) change {
		d, back := s.completed(c, t, seen), handshake.Disarm(c, t.Run())
		seen = seen.With(c, t) // for the look after a write whose reply is lost
		switch {
		case d.Do == handshake.Look:
			d = back
		case d.Outcome != outcome.OK && back.Do == handshake.Write:
			d.Do, d.Value = handshake.Write, back.Value
		}
		lock := c.LockedBy
		if lost && d.Outcome != outcome.OK {
			lock = handshake.Mark(c, t.Run(), false)
		}
		return change{d, lock, true}
	})
	switch {
	case err == nil && d.Outcome == outcome.OK:
		return nil
	case err == nil && ending != nil && ending.Outcome == d.Outcome:
		return ending
	case err == nil:
		said := why.Error()
		if ending == nil { // or it has named the claim itself
			said = s.subject() + ": " + said
		}
		return &outcome.Ending{Outcome: d.Outcome, Why: said + "; " + d.Why, Hint: d.Hint, Err: why}
	case kube.IsNotFound(err) && !seen.Fired:
		return s.unfired(err, "")
	case kube.IsNotFound(err):
		return &outcome.Ending{Outcome: outcome.Tainted, Err: why, Why: s.subject() + ": it was deleted, and its trigger with it; VolSync may have been copying",
			Hint: "do not rely on this sync's copy"}
	}
	return s.undecided(fmt.Errorf("%w; then: %w", why, err), t.Run())
}

// undecided is the ending when the trigger may still be armed.
func (s Step) undecided(err error, run string) error {
	when := "as soon as the API server answers"
	if failed := (*kube.Error)(nil); errors.As(err, &failed) && !kube.Passing(failed) && hint(failed) != "" {
		when = hint(failed) + "; then"
	}
	return &outcome.Ending{Outcome: outcome.Tainted, Err: err,
		Why:  fmt.Sprintf("%s: cannot make sure that no trigger of run %s stays armed: %v", s.subject(), run, err),
		Hint: fmt.Sprintf("%s: copytrigger disarm -n %s --pvc %s --run-id %s", when, s.Namespace, s.Claim, run)}
}

// because adds what was being waited for to the reason for giving up.
func because(err error, reason string) error {
	var ending *outcome.Ending
	if reason == "" || errors.As(err, &ending) {
		return err
	}
	return fmt.Errorf("%w while waiting: %s", err, reason)
}
