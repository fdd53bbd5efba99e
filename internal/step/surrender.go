package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// surrenderLimit bounds the giving back of a trigger when a step gives up. Together with
// writeLimit it fits into the 30 s that a pod has between SIGTERM and SIGKILL.
const surrenderLimit = 15 * time.Second

// lastly is a context for what must still be done when ctx has ended.
func lastly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), surrenderLimit, timeUp{surrenderLimit})
}

// giveBack applies a decision about the claim until nothing is left to write, and gives
// the last one. It reads the claim alone: to disarm must need no more rights than to fire.
func (s Step) giveBack(ctx context.Context, passes func(error) bool, decide func(handshake.Claim) handshake.Decision) (handshake.Decision, error) {
	var (
		d, lost  handshake.Decision // lost: the reply to its write
		expected handshake.Claim    // what that write makes of the claim
	)
	err := s.persistIf(ctx, passes, func(ctx context.Context) error {
		for {
			claim, err := s.Claims.Get(ctx, s.Claim)
			if err != nil {
				return err
			}
			c := handshake.ReadClaim(claim.UID, claim.Deleting, claim.Annotations)
			// It was done if nothing else is different: the trigger alone may have been taken
			// back by another hand, after VolSync took it. Tainted it is by any hand.
			if lost.Do == handshake.Write && (c == expected || lost.Outcome == handshake.Tainted && c.Trigger == lost.Value) {
				d = lost
				return nil
			}
			if d = decide(c); d.Do != handshake.Write {
				return nil
			}
			err = s.write(ctx, state{claim: claim}, d.Value)
			if err != nil && !kube.Undone(err) {
				lost, expected = d, c
				expected.Trigger = d.Value
			}
			if !kube.IsConflict(err) {
				return err
			}
		}
	})
	return d, err
}

// lenient is for who had the right a moment ago: a refusal, too, may pass.
func lenient(err error) bool { return kube.Passing(err) || kube.IsDenied(err) }

// Unfire gives the trigger back after a fire-trigger that was well, but for why must not
// be: its results cannot be left to the next step. It is nil if VolSync recorded it.
func (s Step) Unfire(ctx context.Context, t handshake.Trigger, why error) error {
	return s.surrender(ctx, t, handshake.Seen{Fired: true}, why)
}

// surrender ends a step that has fired, or may have: it gives the trigger back and says
// how it stands. It is nil if VolSync recorded the trigger after all. why is what made
// the step give up.
func (s Step) surrender(ctx context.Context, t handshake.Trigger, seen handshake.Seen, why error) error {
	var ending *Ending
	if !errors.As(why, &ending) { // or it is said at the end, and enough
		s.Log.Warn("giving up: " + why.Error())
	}
	ctx, cancel := lastly(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, lenient, func(c handshake.Claim) handshake.Decision {
		d, back := handshake.Completed(c, t, seen), handshake.Disarm(c, t.Run())
		switch {
		case d.Do == handshake.Look:
			return back
		case d.Outcome != handshake.OK && back.Do == handshake.Write:
			d.Do, d.Value = handshake.Write, back.Value
		}
		return d
	})
	switch {
	case err == nil && d.Outcome == handshake.OK:
		return nil
	case err == nil && ending != nil && ending.Outcome == d.Outcome:
		return ending
	case err == nil:
		return &Ending{Outcome: d.Outcome, Why: fmt.Sprintf("%s: %v; %s", s.subject(), why, d.Why), Hint: d.Hint, Err: why}
	case kube.IsNotFound(err) && !seen.Fired:
		return s.unfired(err, "")
	case kube.IsNotFound(err):
		return &Ending{Outcome: handshake.Tainted, Err: why, Why: s.subject() + ": it was deleted, and its trigger with it; VolSync may have been copying",
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
	return &Ending{Outcome: handshake.Tainted, Err: err,
		Why:  fmt.Sprintf("%s: cannot make sure that no trigger of run %s stays armed: %v", s.subject(), run, err),
		Hint: fmt.Sprintf("%s: copytrigger disarm -n %s --pvc %s --run-id %s", when, s.Namespace, s.Claim, run)}
}

// because adds what was being waited for to the reason for giving up.
func because(err error, reason string) error {
	var ending *Ending
	if reason == "" || errors.As(err, &ending) {
		return err
	}
	return fmt.Errorf("%w while waiting: %s", err, reason)
}
