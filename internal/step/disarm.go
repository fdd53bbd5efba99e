package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

// surrenderLimit bounds the giving back of a trigger when a step gives up. It fits into
// the 30 s that a pod has between SIGTERM and SIGKILL.
const surrenderLimit = 20 * time.Second

// Disarm gives back any trigger of the run that VolSync has not recorded. It needs
// nothing of an earlier step, and to do it again is success; the outcome says what there
// was to do. It fails only where it cannot be sure that nothing stays armed.
func (s Step) Disarm(ctx context.Context, run string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	var done handshake.Decision
	err := kube.Retry(ctx, s.trouble, func(ctx context.Context) error {
		return s.giveBack(ctx, func(c handshake.Claim) handshake.Decision {
			done = handshake.Disarm(c, run)
			return done
		})
	})
	if err == nil {
		out.Set("outcome", string(done.Outcome))
		s.Log.Info(s.subject() + ": " + done.Why)
		return out, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if e := s.unfired(err, "").(*Ending); e.Outcome == handshake.Refused {
		return out, e
	}
	return out, s.undecided(err, run)
}

// giveBack applies a decision about the claim until it needs no write any more. It reads
// the claim alone: to disarm must need no more rights than to fire.
func (s Step) giveBack(ctx context.Context, decide func(handshake.Claim) handshake.Decision) error {
	for {
		claim, err := s.Claims.Get(ctx, s.Claim)
		if err != nil {
			return err
		}
		d := decide(handshake.ReadClaim(claim.UID, claim.Deleting, claim.Annotations))
		if d.Do != handshake.Write {
			return nil
		}
		if err = s.write(ctx, state{claim: claim}, d.Value); !kube.IsConflict(err) {
			return err
		}
	}
}

// surrender ends a step that has fired, or may have: it gives the trigger back and says
// how it stands. It is nil if VolSync recorded the trigger after all. why is what made
// the step give up.
func (s Step) surrender(ctx context.Context, t handshake.Trigger, seen handshake.Seen, why error) error {
	s.Log.Warn("giving up: " + why.Error())
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), surrenderLimit, timeUp{surrenderLimit})
	defer cancel()
	var d handshake.Decision
	err := kube.Retry(ctx, s.trouble, func(ctx context.Context) error {
		return s.giveBack(ctx, func(c handshake.Claim) handshake.Decision {
			if d = handshake.Completed(c, t, seen); d.Do == handshake.End && d.Outcome == handshake.OK {
				return d
			}
			back := handshake.Disarm(c, t.Run())
			if d.Do == handshake.Look {
				d = back
			}
			return back
		})
	})
	var ending *Ending
	switch {
	case err == nil && d.Outcome == handshake.OK:
		return nil
	case err == nil && errors.As(why, &ending) && ending.Outcome == d.Outcome:
		return ending
	case err == nil:
		return &Ending{Outcome: d.Outcome, Why: fmt.Sprintf("%s: %v; %s", s.subject(), why, d.Why), Hint: d.Hint, Err: why}
	case kube.IsNotFound(err) && !seen.Fired:
		return s.unfired(err, "")
	}
	return s.undecided(fmt.Errorf("%w; then: %w", why, err), t.Run())
}

// undecided is the ending when the trigger may still be armed.
func (s Step) undecided(err error, run string) error {
	return &Ending{Outcome: handshake.Tainted, Err: err,
		Why:  fmt.Sprintf("%s: cannot make sure that no trigger of run %s stays armed: %v", s.subject(), run, err),
		Hint: fmt.Sprintf("as soon as the API server answers: copytrigger disarm -n %s --pvc %s --run-id %s", s.Namespace, s.Claim, run)}
}

// because adds what was being waited for to the reason for giving up.
func because(err error, reason string) error {
	var ending *Ending
	if reason == "" || errors.As(err, &ending) {
		return err
	}
	return fmt.Errorf("%w while waiting: %s", err, reason)
}
