package step

import (
	"context"
	"errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// FireAndAwait is FireTrigger and AwaitCompleted in one process: an engine starts one step less
// while the application is quiesced. The timeout counts from when the trigger is fired.
func (g Group) FireAndAwait(
	ctx context.Context, f FireTriggerOptions, o AwaitCompletedOptions,
) (Fired, []Copied, error) {
	fired, err := g.fireOnce(ctx, f)
	if err != nil {
		return fired, nil, err
	}
	o.Syncs = fired.Syncs
	cs, err := g.await(ctx, o, handshake.Seen{Fired: true}, nil)
	return fired, told(cs, err), err
}

// fireOnce fires, and gives back a trigger that is set already. This process has not set that
// one, unless by a write whose reply was lost: nobody knows in whose freeze it was set.
func (g Group) fireOnce(ctx context.Context, o FireTriggerOptions) (Fired, error) {
	o.Timeout = fireLimit
	fired, err := g.FireTrigger(ctx, o)
	if err != nil || !fired.At.IsZero() {
		return fired, err
	}
	why := errors.New("the trigger was set already")
	if err = g.Unfire(ctx, o.Trigger, why); err == nil {
		err = why
	}
	return fired, g.shared().mergeLeft(&outcome.Ending{
		Outcome: outcome.Unverified, Err: err,
		Why:  g.shared().about("another attempt of this run has fired, and nobody knows in which freeze: " + err.Error()),
		Hint: outcome.Unverified.Next(),
	}, err)
}
