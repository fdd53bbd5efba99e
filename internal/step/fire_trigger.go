package step

import (
	"context"
	"errors"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
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
	out.Set("fired-at", "")    // stays so where an earlier attempt has fired
	var wrote, set, doubt bool // set: by an earlier attempt; doubt: about the last write
	err := s.persist(ctx, timeout == 0, func(ctx context.Context) error {
		for {
			st, err := s.lookToFire(ctx, t)
			if err != nil {
				return err
			}
			doubt = false
			d := handshake.Fire(st.world, t)
			if d.Do == handshake.End {
				set = d.Outcome == handshake.OK
				if set {
					s.Log.Info(s.subject() + ": " + d.Why)
				}
				return s.ending(d)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err = s.writeWhole(ctx, st, d.Value)
			wrote = err == nil
			doubt = err != nil && !kube.Undone(err)
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
		end, refused := s.surrender(ctx, t, handshake.Seen{Fired: wrote || set}, err), (*Ending)(nil)
		if doubt && errors.As(end, &refused) && refused.Outcome == handshake.Refused {
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
	alone := s
	alone.ClaimOnly = true
	st, err := alone.look(ctx)
	if err != nil || s.ClaimOnly {
		return st, err
	}
	if d := handshake.Fire(st.world, t); d.Do == handshake.End && d.Outcome == handshake.OK {
		return st, nil
	}
	return s.look(ctx)
}

func (s Step) writeWhole(ctx context.Context, st state, value string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	return s.write(ctx, st, value)
}
