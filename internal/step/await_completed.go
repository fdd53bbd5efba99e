package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitCompleted waits until VolSync has recorded the trigger. Whatever ends the wait
// otherwise (time, a signal, nobody reacting within ack, an error), the trigger is given
// back before the step ends, so that the application may be unquiesced. A timeout of 0
// looks once.
//
// Once a trigger is fired, the claim alone decides. The ReplicationSource and the copy are
// watched beside it: they tell how far it is, and must not hold it up.
func (s Step) AwaitCompleted(ctx context.Context, t handshake.Trigger, timeout, ack time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	waitCtx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	unanswered := time.AfterFunc(ack, func() { giveUp(noAnswer{ack}) })
	defer unanswered.Stop()

	out, start := s.values(), time.Now()
	out.Set("trigger", t.String())
	out.Set("cut-time", "")
	out.Set("copy-seconds", "")
	beside := s.lookOn(waitCtx, t, timeout == 0)
	defer beside.end()
	s.ClaimOnly = true
	var (
		seen handshake.Seen
		last handshake.Claim
	)
	reason, err := s.wait(waitCtx, timeout == 0, decider{lenient: true, nudge: beside.nudge, decide: func(_ context.Context, st state) (bool, string, error) {
		last = st.world.Claim
		d := handshake.Completed(last, t, seen)
		if seen = seen.With(last, t); seen.Taken {
			unanswered.Stop()
		}
		switch {
		case d.Do == handshake.End:
			return true, d.Why, s.ending(d)
		case beside.orphaned():
			return true, d.Why, errOrphaned
		}
		return false, s.subject() + ": " + d.Why + beside.note(last), nil
	}})
	if err != nil {
		err = s.surrender(ctx, t, seen, because(err, reason))
	}
	if err == nil {
		out.Set("cut-time", beside.cut(last))
		out.Set("copy-seconds", time.Since(start).Round(time.Millisecond).Seconds())
		s.Log.Info(s.subject() + ": VolSync recorded the trigger " + t.String())
	}
	return out, err
}

// errOrphaned: to wait on would only make the freeze longer.
var errOrphaned = errors.New("the ReplicationSource was deleted, so nobody records the trigger")

// noAnswer is the cause of a wait in which VolSync never reacted to the trigger.
type noAnswer struct{ after time.Duration }

func (n noAnswer) Error() string {
	return fmt.Sprintf("VolSync did not react to the trigger within %s (is its manager running?)", n.after)
}
