package step

import (
	"context"
	"errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// FireAndAwait is FireTrigger and AwaitCompleted in one process: an engine starts one step less
// while the application is quiesced. The timeout counts from when the trigger is fired.
func (s Step) FireAndAwait(ctx context.Context, f FireTriggerOptions, o AwaitCompletedOptions) (Fired, Copied, error) {
	fired, err := s.fireOnce(ctx, f)
	if err != nil {
		return fired, Copied{}, err
	}
	c, err := s.await(ctx, o, handshake.Seen{Fired: true}, nil)
	if err == nil {
		c.CutTime = c.cut()
	}
	return fired, c.Copied, err
}

// fireOnce fires, and gives back a trigger that is set already. This process has not set that
// one, unless by a write whose reply was lost: nobody knows in whose freeze it was set.
func (s Step) fireOnce(ctx context.Context, o FireTriggerOptions) (Fired, error) {
	o.Timeout = fireLimit
	fired, err := s.FireTrigger(ctx, o)
	if err != nil || !fired.At.IsZero() {
		return fired, err
	}
	why := errors.New("the trigger was set already")
	if err = s.Unfire(ctx, o.Trigger, why); err == nil {
		err = why
	}
	return fired, &outcome.Ending{
		Outcome: outcome.Unverified, Err: err,
		Why:  s.about("another attempt of this run has fired, and nobody knows in which freeze: " + err.Error()),
		Hint: outcome.Unverified.Next(),
	}
}
