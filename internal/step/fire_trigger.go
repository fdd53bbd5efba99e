package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// writeLimit bounds one write, which a signal does not interrupt: it would leave open
// whether the trigger is set.
const writeLimit = 10 * time.Second

// FireTrigger releases VolSync: it sets the trigger, only if what await-waiting saw is
// still true. To do it again is success.
//
// The one doubtful moment is a write whose reply is lost. The next look tells whether it
// was kept. If there is no next look, because time is up or a signal came, the trigger
// is given back, and if that fails too the step ends tainted, not as if nothing had
// happened.
func (s Step) FireTrigger(ctx context.Context, t handshake.Trigger, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	out.Set("trigger", t.String())
	out.Set("fired-at", "") // stays so where an earlier attempt has fired
	if err := s.quiesced(); err != nil {
		return out, err
	}
	var wrote, set, doubt bool // set: by an earlier attempt; doubt: about a write, which may be under way still
	err := s.persist(ctx, timeout == 0, func(ctx context.Context) error {
		for {
			st, err := s.lookToFire(ctx, t)
			if err != nil {
				return err
			}
			d := handshake.Fire(st.world, t)
			if set = d.Do == handshake.End && d.Outcome == outcome.OK; set {
				doubt = false
				s.Log.Info(s.subject() + ": " + d.Why)
			}
			if s.Lock {
				d = handshake.Locked(d, st.world.Claim, t.Run())
			}
			if d.Do == handshake.End {
				return s.ending(d)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err = s.writeWhole(ctx, st, d.Value)
			wrote = err == nil
			doubt = doubt && !wrote || err != nil && !kube.Undone(err)
			if !kube.IsConflict(err) {
				return err
			}
			s.Log.Info("the claim has changed; deciding again: " + err.Error())
		}
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil && (wrote || set || doubt):
		end, refused := s.surrender(ctx, t, handshake.Seen{Fired: wrote || set}, doubt && s.Lock, err), (*outcome.Ending)(nil)
		if doubt && errors.As(end, &refused) && refused.Outcome == outcome.Refused {
			return out, s.unfired(err, "") // the write was not kept
		}
		return out, end
	case err != nil:
		return out, s.unfired(err, "")
	case wrote:
		out.Set("fired-at", timestamp(time.Now()))
		s.Log.Info(s.subject() + ": the trigger " + t.String() + " is set")
	}
	return out, nil
}

// lookToFire looks at the claim alone where that answers: a trigger that is set already
// must not be taken for one that was never set because something else cannot be read.
func (s Step) lookToFire(ctx context.Context, t handshake.Trigger) (state, error) {
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly {
		return st, err
	}
	if d := handshake.Fire(st.world, t); d.Do == handshake.End && d.Outcome == outcome.OK {
		return st, nil
	}
	return s.lookBeside(ctx, st)
}

// quiesced is the gate for engines that go on after a failed step: without a file that says
// that quiesce ended well, the application may be running.
func (s Step) quiesced() error {
	if s.After == "" {
		return nil
	}
	exit := exitfile.Read(s.After)
	if exit.OK() {
		return nil
	}
	found := exit.Doubt
	if exit.Ended {
		found = fmt.Sprintf("%s says %d", s.After, exit.Code)
	}
	return &outcome.Ending{Outcome: outcome.Refused, Why: s.subject() + ": quiesce did not end with 0, so nothing was fired: " + found,
		Hint: "see why in the log of quiesce; then unquiesce, and start again with await-waiting"}
}

// writeWhole sets copy-trigger if the claim still is what was looked at. An error that is not
// a conflict leaves open whether it was written; the next look tells.
func (s Step) writeWhole(ctx context.Context, st state, value string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	_, err := s.Claims.Annotate(ctx, st.claim, map[string]string{handshake.TriggerAnnotation: value})
	return err
}
