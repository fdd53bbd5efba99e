package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// FireTriggerOptions are those of [Step.FireTrigger].
type FireTriggerOptions struct {
	Trigger handshake.Trigger
	After   string        // the file with the exit code of quiesce, without whose 0 nothing is fired; "" for none
	Timeout time.Duration // 0 tries once
}

// Fired is a trigger that is set.
type Fired struct {
	At time.Time // zero: an earlier attempt has set it
}

// FireTrigger sets the trigger, only if what await-waiting saw is still true, and VolSync
// copies. To do it again is success.
//
// The one doubtful moment is a write whose reply is lost. The next look tells whether it was
// kept. If there is no next look, because time is up or a signal came, the trigger is given
// back, and if that fails too the step ends tainted, not as if nothing had happened.
func (s Step) FireTrigger(ctx context.Context, o FireTriggerOptions) (Fired, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	if err := s.afterQuiesce(o.After); err != nil {
		return Fired{}, err
	}
	f := handshake.Firing{Trigger: o.Trigger}
	look := func(ctx context.Context) (state, error) { return s.lookToFire(ctx, f) }
	d, err := s.apply(ctx, loop{passes: unless(o.Timeout == 0), look: look, whole: true}, &f)
	if err == nil {
		err = s.ending(d)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil && f.MayBeSet():
		return Fired{}, s.unfire(ctx, f, err)
	case err != nil:
		return Fired{}, s.unfired(err, "")
	case !f.Wrote():
		s.Log.Info(s.subject() + ": " + d.Why)
		return Fired{}, nil
	}
	s.Log.Info(s.subject() + ": the trigger " + o.Trigger.String() + " is set")
	return Fired{At: time.Now()}, nil
}

// unfire is the end of a fire-trigger whose trigger is set, or may be.
func (s Step) unfire(ctx context.Context, f handshake.Firing, why error) error {
	recorded, err := s.giveUp(ctx, f.GiveUp(), why)
	var refused *outcome.Ending
	switch {
	case recorded:
		return nil
	case f.Doubt() && errors.As(err, &refused) && refused.Outcome == outcome.Refused:
		return s.unfired(why, "") // the write was not kept
	}
	return err
}

// Unfire gives the trigger back after a fire-trigger that was well, but for why must not be:
// its results cannot be left to the next step. It returns nil if VolSync recorded it.
func (s Step) Unfire(ctx context.Context, t handshake.Trigger, why error) error {
	_, err := s.giveUp(ctx, handshake.Disarming{
		Run: t.Run(), Trigger: t, Seen: handshake.Seen{Fired: true}, Lock: handshake.LockLost,
	}, why)
	return err
}

// lookToFire looks at the claim alone where that answers.
func (s Step) lookToFire(ctx context.Context, f handshake.Firing) (state, error) {
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly || f.ByClaim(st.world.Claim) {
		return st, err
	}
	return s.lookBeside(ctx, st)
}

// afterQuiesce is the gate for engines that go on after a failed step: without a file that
// says that quiesce ended well, the application may be running.
func (s Step) afterQuiesce(file string) error {
	if file == "" {
		return nil
	}
	exit := exitfile.Read(file)
	if exit.OK() {
		return nil
	}
	found := exit.Doubt
	if exit.Ended {
		found = fmt.Sprintf("%s says %d", file, exit.Code)
	}
	return &outcome.Ending{
		Outcome: outcome.Refused,
		Why:     s.subject() + ": quiesce did not end with 0, so nothing was fired: " + found,
		Hint:    "see why in the log of quiesce; then unquiesce, and start again with await-waiting",
	}
}
