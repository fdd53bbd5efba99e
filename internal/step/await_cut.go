package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitCut waits until the storage has cut VolSync's copy: the application may run again
// then, often long before VolSync records the trigger. The result copy is the uid of what
// was cut, for [Step.AwaitVerified], without which nobody knows whether that is what VolSync
// records in the end. It is "" if VolSync has recorded the trigger meanwhile; there is
// nothing left to verify then. Otherwise it is [Step.AwaitCompleted].
func (s Step) AwaitCut(ctx context.Context, t handshake.Trigger, timeout, ack time.Duration) (result.Values, error) {
	return s.awaitCut(ctx, t, handshake.Seen{}, timeout, ack)
}

func (s Step) awaitCut(ctx context.Context, t handshake.Trigger, seen handshake.Seen, timeout, ack time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	look := s.look
	if s.Lock {
		look = s.lookAtLockLast
	}
	f := s.followCopy(ctx, t, timeout == 0, ack, seen, look, func(w handshake.World, seen handshake.Seen) handshake.Decision {
		d := handshake.Cut(w, t, seen)
		if s.Lock {
			return handshake.Locked(d, w.Claim, t.Run())
		}
		return d
	})
	f.out.Set("copy", "")
	if f.err != nil {
		err := s.surrender(ctx, t, f.seen, s.Lock, f.err)
		if err == nil {
			f.out.Set("copy", Recorded)
		}
		return f.out, err
	}
	switch w := f.last.world; {
	case w.Claim.Latest == t.String():
		s.Times.note(turnCompleted)
		f.out.Set("copy", Recorded)
	default:
		s.Times.note(turnCut)
		f.out.Set("copy", w.Copy.UID)
		f.out.Set("cut-time", w.Copy.Cut)
	}
	return f.out, nil
}

// lookAtLockLast is a look whose lock is that after the look at the copy. Only then it says
// that the application was still quiesced when that was cut.
func (s Step) lookAtLockLast(ctx context.Context) (state, error) {
	st, err := s.look(ctx)
	if err != nil {
		return st, err
	}
	after, err := s.lookAtClaim(ctx)
	st.world.Claim.LockedBy = after.world.Claim.LockedBy
	return st, err
}

// Recorded stands for the uid of a copy that VolSync recorded before the cut was seen.
const Recorded = "recorded"

// AwaitVerified waits until VolSync has recorded the trigger for the copy with this uid,
// which was cut in the freeze that is over. A copy that takes its place meanwhile makes
// the run unverified.
func (s Step) AwaitVerified(ctx context.Context, t handshake.Trigger, uid string, timeout, ack time.Duration) (result.Values, error) {
	s.Lock = false // it was for the freeze
	if uid == Recorded {
		return s.AwaitCompleted(ctx, t, timeout, ack)
	}
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	f := s.followCopy(ctx, t, timeout == 0, 0, handshake.Seen{Fired: true, Taken: true}, s.look, func(w handshake.World, seen handshake.Seen) handshake.Decision {
		return handshake.Verified(w, t, seen, uid)
	})
	var broken *outcome.Ending
	switch {
	case f.err == nil:
		s.Times.note(turnCompleted)
		f.out.Set("cut-time", f.last.world.Copy.Cut)
		s.Log.Info(s.subject() + ": VolSync recorded the trigger " + t.String() + " for the copy that was cut in the freeze")
		return f.out, nil
	case errors.As(f.err, &broken) && broken.Outcome == outcome.Unverified:
		return f.out, s.disown(ctx, t, broken)
	}
	err := s.surrender(ctx, t, f.seen, false, f.err)
	if err == nil { // recorded in the last moment: nobody looked for which copy
		err = &outcome.Ending{Outcome: outcome.Unverified, Err: f.err, Why: fmt.Sprintf("%s: %v; VolSync recorded the trigger then, and nobody saw for which copy", s.subject(), f.err),
			Hint: "do not rely on this sync's copy"}
	}
	return f.out, err
}

// disown gives back the trigger of a copy that is not the right one: nothing is to be
// recorded for it, and nothing to stay armed.
func (s Step) disown(ctx context.Context, t handshake.Trigger, why *outcome.Ending) error {
	ctx, cancel := lastly(ctx)
	defer cancel()
	_, err := s.giveBack(ctx, lenient, func(c handshake.Claim) change {
		return change{Decision: handshake.Disarm(c, t.Run()), lock: c.LockedBy}
	})
	if err != nil && !kube.IsNotFound(err) {
		return s.undecided(fmt.Errorf("%w; then: %w", why, err), t.Run())
	}
	return why
}

// followed is how a wait on the claim and the copy together ended.
type followed struct {
	out  result.Values
	last state // that was decided about
	seen handshake.Seen
	err  error // the trigger is not given back yet
}

// followCopy waits for a decision that is taken from the claim, its ReplicationSource and
// the copy together; seen is what is known before.
func (s Step) followCopy(ctx context.Context, t handshake.Trigger, once bool, ack time.Duration, seen handshake.Seen,
	look func(context.Context) (state, error), decide func(handshake.World, handshake.Seen) handshake.Decision) followed {
	ctx, answered, stop := unanswered(ctx, ack)
	defer stop()
	f, start := followed{out: s.values(), seen: seen}, time.Now()
	f.out.Set("trigger", t.String())
	f.out.Set("cut-time", "")
	f.out.Set("copy-seconds", "")
	reason, err := s.wait(ctx, once, decider{lenient: true, look: look, decide: func(_ context.Context, st state) (bool, string, error) {
		d := decide(st.world, f.seen)
		f.last = st
		if f.seen = f.seen.With(st.world.Claim, t); f.seen.Taken {
			answered()
			s.Times.note(turnTaken)
		}
		switch {
		case d.Do == handshake.End:
			return true, d.Why, s.ending(d)
		case len(st.world.Sources) == 0:
			return true, d.Why, errOrphaned
		}
		return false, s.subject() + ": " + d.Why, nil
	}})
	if err != nil {
		f.err = because(err, reason)
	} else {
		f.out.Set("copy-seconds", time.Since(start).Round(time.Millisecond).Seconds())
	}
	return f
}
