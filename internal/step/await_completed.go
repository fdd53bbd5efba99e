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
	out, cut, err := s.awaitCompleted(ctx, t, handshake.Seen{}, timeout, ack)
	if err == nil {
		out.Set("cut-time", cut())
	}
	return out, err
}

// awaitCompleted leaves the time of the cut to be asked for later: that may take a request,
// and the application waits. seen is what is known before.
func (s Step) awaitCompleted(ctx context.Context, t handshake.Trigger, seen handshake.Seen, timeout, ack time.Duration) (out result.Values, cut func() string, err error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	waitCtx, answered, stop := unanswered(ctx, ack)
	defer stop()

	out = s.values()
	start := time.Now()
	out.Set("trigger", t.String())
	out.Set("cut-time", "")
	out.Set("copy-seconds", "")
	beside := s.lookOn(waitCtx, t, timeout == 0)
	defer beside.end()
	s.ClaimOnly = true
	var last handshake.Claim
	reason, err := s.wait(waitCtx, timeout == 0, decider{lenient: true, nudge: beside.nudge, decide: func(_ context.Context, st state) (bool, string, error) {
		last = st.world.Claim
		d := s.completed(last, t, seen)
		if seen = seen.With(last, t); seen.Taken {
			answered()
			s.Times.note(turnTaken)
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
		err = s.surrender(ctx, t, seen, s.Lock, because(err, reason))
	}
	if err == nil {
		s.Times.note(turnCompleted)
		out.Set("copy-seconds", time.Since(start).Round(time.Millisecond).Seconds())
		s.Log.Info(s.subject() + ": VolSync recorded the trigger " + t.String())
	}
	return out, func() string { return beside.cut(last) }, err
}

// unanswered is a context that ends, too, when VolSync has not answered within ack; an ack
// of 0 is for where it has answered already.
func unanswered(ctx context.Context, ack time.Duration) (_ context.Context, answered, stop func()) {
	ctx, giveUp := context.WithCancelCause(ctx)
	if ack == 0 {
		return ctx, func() {}, func() { giveUp(nil) }
	}
	timer := time.AfterFunc(ack, func() { giveUp(noAnswer{ack}) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); giveUp(nil) }
}

// completed is the protocol's decision, and that of the run's lock.
func (s Step) completed(c handshake.Claim, t handshake.Trigger, seen handshake.Seen) handshake.Decision {
	d := handshake.Completed(c, t, seen)
	if s.Lock {
		return handshake.Locked(d, c, t.Run())
	}
	return d
}

// errOrphaned: to wait on would only make the freeze longer.
var errOrphaned = errors.New("the ReplicationSource was deleted, so nobody records the trigger")

// noAnswer is the cause of a wait in which VolSync never reacted to the trigger.
type noAnswer struct{ after time.Duration }

func (n noAnswer) Error() string {
	return fmt.Sprintf("VolSync did not react to the trigger within %s (is its manager running?)", n.after)
}
