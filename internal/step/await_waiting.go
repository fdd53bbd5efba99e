package step

import (
	"context"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitWaiting waits until VolSync waits for the trigger, so that the application may be
// quiesced, and gives the trigger to fire. Whatever would make the later steps fail is
// refused here, while nothing is frozen yet. A timeout of 0 looks once. With Lock it ends
// by locking the claim.
func (s Step) AwaitWaiting(ctx context.Context, run string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	for _, name := range []string{"trigger", "waiting-since", "replication-source"} {
		out.Set(name, "")
	}
	if err := s.mayFire(ctx, timeout == 0); err != nil {
		return out, s.unfired(err, "")
	}
	cautioned := false
	reason, err := s.wait(ctx, timeout == 0, decider{decide: func(ctx context.Context, st state) (bool, string, error) {
		if !cautioned {
			cautioned = true
			for _, c := range handshake.Cautions(st.world) {
				s.Log.Warn(s.subject() + ": " + c)
			}
		}
		if no := handshake.NoCut(st.world); s.UntilCut && no.Outcome != outcome.OK {
			return true, no.Why, s.ending(no)
		}
		d := handshake.Await(st.world, run)
		if l := handshake.Lock(st.world.Claim, run); s.Lock && d.Do != handshake.Write && l.Do == handshake.End {
			return true, l.Why, s.ending(l)
		}
		switch d.Do {
		case handshake.Write:
			return false, "for the take-back of this run's trigger", s.takeBack(ctx, run)
		case handshake.End:
			if d.Outcome == outcome.OK && s.Lock {
				if soon, err := s.lock(ctx, run, timeout == 0); err != nil || soon != "" {
					return false, s.subject() + ": " + soon, err
				}
			}
			if d.Outcome == outcome.OK {
				out.Set("trigger", handshake.NewTrigger(run, d.Wait).String())
				out.Set("waiting-since", d.Wait.Since)
				out.Set("replication-source", sourceName(st.world))
			}
			return true, d.Why, s.ending(d)
		}
		return false, s.subject() + ": " + d.Why, nil
	}})
	return out, s.unfired(err, reason)
}

// mayFire asks for the permission that fire-trigger and disarm will need. Only a clear no
// counts: there are admission webhooks that refuse whatever is only a try.
func (s Step) mayFire(ctx context.Context, once bool) error {
	err := s.persist(ctx, once, func(ctx context.Context) error { return s.Claims.MayAnnotate(ctx, s.Claim) })
	if err != nil && kube.IsInvalid(err) {
		s.Log.Warn(s.subject() + ": not checked whether it may be annotated: " + err.Error())
		return nil
	}
	return err
}

// takeBack is the disarm of an attempt of this run that finds the trigger of an earlier
// one in flight. Whatever it changes is an event, after which we look again.
func (s Step) takeBack(ctx context.Context, run string) error {
	ctx, cancel := lastly(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, lenient, func(c handshake.Claim) change { return change{Decision: handshake.Disarm(c, run), lock: c.LockedBy} })
	switch {
	case err != nil:
		return s.undecided(err, run)
	case d.Outcome == outcome.Withdrawn:
		s.Log.Warn(s.subject() + ": an earlier attempt of this run was lost after it had fired: " + d.Why)
		return nil
	}
	return s.ending(d)
}

func sourceName(w handshake.World) string {
	if len(w.Sources) == 1 {
		return w.Sources[0].Name
	}
	return ""
}
