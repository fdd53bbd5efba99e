package step

import (
	"context"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// fireLimit bounds the firing where the API server does not answer: to wait longer makes
// only the freeze longer.
const fireLimit = 30 * time.Second

// FireAndAwait is FireTrigger and AwaitCompleted in one process: an engine starts one step
// less while the application is quiesced. The timeout counts from when the trigger is fired.
func (s Step) FireAndAwait(ctx context.Context, t handshake.Trigger, timeout, ack time.Duration) (result.Values, error) {
	fired, err := s.fireOnce(ctx, t)
	out := fired
	if err == nil {
		var cut func() string
		if out, cut, err = s.awaitCompleted(ctx, t, handshake.Seen{Fired: true}, timeout, ack); err == nil {
			out.Set("cut-time", cut())
		}
	} else {
		out.Set("cut-time", "")
		out.Set("copy-seconds", "")
	}
	out.Set("fired-at", fired.Get("fired-at"))
	return out, err
}

// fireOnce fires, and gives back a trigger that is set already. This process has not set that
// one, unless by a write whose reply was lost: nobody knows in whose freeze it was set.
func (s Step) fireOnce(ctx context.Context, t handshake.Trigger) (result.Values, error) {
	out, err := s.FireTrigger(ctx, t, fireLimit)
	if err != nil || out.Get("fired-at") != "" {
		return out, err
	}
	why := fmt.Errorf("the trigger was set already")
	if err = s.surrender(ctx, t, handshake.Seen{Fired: true}, s.Lock, why); err == nil {
		err = why
	}
	return out, &outcome.Ending{Outcome: outcome.Unverified, Err: err, Why: fmt.Sprintf("%s: another attempt of this run has fired, and nobody knows in which freeze: %v", s.subject(), err),
		Hint: outcome.Unverified.Next()}
}
