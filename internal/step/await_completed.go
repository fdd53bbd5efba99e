package step

import (
	"context"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitCompleted waits until VolSync has recorded the trigger. Whatever ends the wait
// otherwise (time, a signal, nobody reacting within ack, an error), the trigger is given
// back before the step ends, so that the application may be unquiesced. A timeout of 0
// looks once.
func (s Step) AwaitCompleted(ctx context.Context, t handshake.Trigger, timeout, ack time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	waitCtx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	unanswered := time.AfterFunc(ack, func() { giveUp(noAnswer{ack}) })
	defer unanswered.Stop()

	copies := &settled{VolSync: s.VolSync}
	s.VolSync = copies
	out, start := s.values(), time.Now()
	out.Set("trigger", t.String())
	out.Set("cut-time", "")
	out.Set("copy-seconds", "")
	var seen handshake.Seen
	over := func(c handshake.Claim) bool { return handshake.Completed(c, t, seen).Do == handshake.End }
	reason, err := s.wait(waitCtx, timeout == 0, decider{over, func(_ context.Context, st state) (bool, string, error) {
		c := st.world.Claim
		d := handshake.Completed(c, t, seen)
		if seen = seen.With(c, t); seen.Taken {
			unanswered.Stop()
		}
		if cp := st.world.Copy; cp != nil && cp.Cut != "" {
			out.Set("cut-time", cp.Cut)
		}
		if d.Do == handshake.End {
			return true, d.Why, s.ending(d)
		}
		return false, s.subject() + ": " + d.Why + copyNote(st.world), nil
	}})
	if err != nil {
		err = s.surrender(ctx, t, seen, because(err, reason))
	}
	if err == nil {
		if out.Get("cut-time") == "" && !s.ClaimOnly {
			out.Set("cut-time", copies.cut(ctx, s.Claim))
		}
		out.Set("copy-seconds", time.Since(start).Round(time.Millisecond).Seconds())
		s.Log.Info(s.subject() + ": VolSync recorded the trigger " + t.String())
	}
	return out, err
}

// settled is VolSync's objects once a trigger is fired: which ReplicationSource copies the
// claim is found out once. Nothing is decided by it any more, it only leads to the copy,
// and to list it again at every look would make the freeze longer: the API server may
// hold a list back up to 100 ms until its cache has caught up.
type settled struct {
	VolSync
	found []handshake.Source
}

func (v *settled) Sources(ctx context.Context, claim string) (_ []handshake.Source, err error) {
	if len(v.found) == 0 {
		v.found, err = v.VolSync.Sources(ctx, claim)
	}
	return v.found, err
}

func (v *settled) FollowSources(ctx context.Context, changed func(), _ kube.Trouble) error {
	changed()
	<-ctx.Done()
	return nil
}

// cutLimit bounds the look for the time of the cut, which the application pays for.
const cutLimit = 500 * time.Millisecond

// cut is when the copy was cut; "" if it is gone already or cannot be read.
func (v *settled) cut(ctx context.Context, claim string) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutLimit)
	defer cancel()
	sources, err := v.Sources(ctx, claim)
	if err != nil || len(sources) != 1 {
		return ""
	}
	if c, err := v.Copy(ctx, sources[0]); err == nil && c != nil {
		return c.Cut
	}
	return ""
}

// noAnswer is the cause of a wait in which VolSync never reacted to the trigger.
type noAnswer struct{ after time.Duration }

func (n noAnswer) Error() string {
	return fmt.Sprintf("VolSync did not react to the trigger within %s (is its manager running?)", n.after)
}

// copyNote says how far the storage is, as far as it tells.
func copyNote(w handshake.World) string {
	switch c := w.Copy; {
	case c == nil || w.Claim.Status != handshake.StatusInProgress:
		return ""
	case c.Problem != "":
		// Not the end: drivers report errors that pass (VolSync never reads this either).
		return fmt.Sprintf("; the storage reports for %s: %s", c.Name, c.Problem)
	case c.Cut != "":
		return fmt.Sprintf("; %s was cut at %s and is not ready to use yet", c.Name, c.Cut)
	default:
		return fmt.Sprintf("; %s is not cut yet", c.Name)
	}
}
