package step

import (
	"context"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitWaiting waits until VolSync waits for the trigger, so that the application may be
// quiesced, and gives the trigger to fire. Whatever would make the later steps fail is
// refused here, while nothing is frozen yet. A timeout of 0 looks once.
func (s Step) AwaitWaiting(ctx context.Context, run string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out := s.values()
	if err := s.mayFire(ctx); err != nil {
		return out, s.unfired(err, "")
	}
	cautioned := false
	reason, err := s.wait(ctx, timeout == 0, func(ctx context.Context, st state) (bool, string, error) {
		if !cautioned {
			cautioned = true
			for _, c := range handshake.Cautions(st.world) {
				s.Log.Warn(s.subject() + ": " + c)
			}
		}
		d := handshake.Await(st.world, run)
		switch d.Do {
		case handshake.Write:
			return false, "for the take-back of this run's trigger", s.takeBack(ctx, st, d)
		case handshake.End:
			if d.Outcome == handshake.OK {
				out.Set("trigger", handshake.NewTrigger(run, d.Wait).String())
				out.Set("waiting-since", d.Wait.Since)
				out.Set("replication-source", sourceName(st.world))
			}
			return true, d.Why, s.ending(d)
		}
		return false, s.subject() + ": " + d.Why, nil
	})
	return out, s.unfired(err, reason)
}

// mayFire asks for the permission that fire-trigger and disarm will need.
func (s Step) mayFire(ctx context.Context) error {
	return kube.Retry(ctx, s.trouble, func(ctx context.Context) error {
		return s.Claims.MayAnnotate(ctx, s.Claim)
	})
}

// takeBack is the write of an attempt of this run that finds the trigger of an earlier
// one in flight.
func (s Step) takeBack(ctx context.Context, st state, d handshake.Decision) error {
	err := kube.Retry(ctx, s.trouble, func(ctx context.Context) error { return s.write(ctx, st, d.Value) })
	switch {
	case kube.IsConflict(err):
		return nil // the change that came first is an event of its own, after which we look again
	case err != nil:
		return err
	case d.Outcome == handshake.Tainted:
		return s.ending(d)
	}
	s.Log.Warn(s.subject() + ": an earlier attempt of this run was lost after it had fired: " + d.Why)
	return nil
}

func sourceName(w handshake.World) string {
	if len(w.Sources) == 1 {
		return w.Sources[0].Name
	}
	return ""
}
