package step

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// errUnproved is the cause of a wait in which VolSync has recorded the trigger, and no copy has
// proved it in time.
var errUnproved = errors.New("no copy proves the record")

// withProofLimit is a context that ends, too, when the record is not proved soon after it was seen
// first: the application is frozen, and a proof comes at once or not at all.
func withProofLimit(ctx context.Context) (_ context.Context, recorded, stop func()) {
	ctx, giveUp := context.WithCancelCause(ctx)
	var timer *time.Timer
	recorded = func() {
		if timer == nil {
			timer = time.AfterFunc(proofLimit, func() { giveUp(errUnproved) })
		}
	}
	return ctx, recorded, func() {
		if timer != nil {
			timer.Stop()
		}
		giveUp(nil)
	}
}

// lookForRecord looks at the claim alone, and for the proof of a record at what was seen beside
// it before: a copy that was cut before the run's lock was looked at was cut in the freeze. Where
// that proves nothing it looks at all of them.
func (r *recordWait) lookForRecord(ctx context.Context) (observation, error) {
	s, t := r.step, r.options.Trigger
	before, known := r.progress.seen()
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly || r.afterFreeze() || st.observed.Claim.Latest != t.String() {
		return st, err
	}
	r.recorded()
	before.Claim = st.observed.Claim
	if known && handshake.Recorded(before, t, r.seen).Do == handshake.End {
		st.observed = before
		return st, nil
	}
	return s.lookAtClaimLast(ctx)
}

// giveUp ends a wait in the freeze that ended with why. It returns nil if VolSync has recorded the
// trigger after all, and its copy proves it.
func (r *recordWait) giveUp(ctx context.Context, why error) error {
	var ending *outcome.Ending
	if errors.As(why, &ending) && errors.Is(ending.Err, errUnproved) {
		return why // it is recorded: there is nothing to give back
	}
	if recorded, err := r.step.giveUp(ctx, r.givingUp(), why); !recorded {
		return err
	}
	return r.prove(ctx)
}

// prove looks for the proof of a record that was found in the last moment.
func (r *recordWait) prove(ctx context.Context) error {
	if r.step.ClaimOnly || r.afterFreeze() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), proofLimit, errUnproved)
	defer cancel()
	last := *r
	last.options.Ack, last.look = 0, r.step.lookAtClaimLast
	err := last.run(ctx)
	var ending *outcome.Ending
	if err != nil && !errors.As(err, &ending) {
		err = r.unverified(err.Error())
	}
	r.last = last.last
	return err
}

// unverified is the end of a wait whose record no copy has proved; reason is what it waited for.
func (r *recordWait) unverified(reason string) error {
	why := r.unproved
	if why == "" {
		why = "VolSync recorded the trigger, but its copy cannot be looked at: " +
			strings.TrimPrefix(reason, "trying again: ")
	}
	d := handshake.Unproved(why)
	return &outcome.Ending{Outcome: d.Outcome, Err: errUnproved, Why: r.step.subject() + ": " + d.Why, Hint: d.Hint}
}
