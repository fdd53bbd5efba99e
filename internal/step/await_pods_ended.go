package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
)

// AwaitPodsEndedOptions are those of [Step.AwaitPodsEnded].
type AwaitPodsEndedOptions struct {
	Selector string        // labels of the pods
	Timeout  time.Duration // 0 looks once
}

// AwaitPodsEnded waits until no pod with these labels can run anything any more. It is for the
// cleanup after a run that was cancelled: its pod still has its grace period, and could quiesce
// after the cleanup's unquiesce.
func (s Step) AwaitPodsEnded(ctx context.Context, o AwaitPodsEndedOptions) error {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	var err error
	w := newWaiter(s.Log, false, nil)
	if o.Timeout == 0 {
		var left string
		if left, err = s.podsLeft(ctx, o.Selector); err == nil && left != "" {
			w.reason, err = left, timeUp{0}
		}
	} else {
		err = w.during(ctx, func(ctx context.Context) error { return s.untilNoPods(ctx, w, o.Selector) })
	}
	if err == nil {
		s.Log.Info(fmt.Sprintf("no pod with the labels %s in namespace %s can run any more", o.Selector, s.Namespace))
	}
	err = s.unseen(err, w.why())
	if ending := (*outcome.Ending)(nil); errors.As(err, &ending) && ending.Outcome == outcome.TimedOut {
		ending.Hint = s.then("raise --timeout, or see what they do",
			handshake.Move{Kind: handshake.MoveShowPods, Labels: o.Selector})
	}
	return err
}

func (s Step) untilNoPods(ctx context.Context, w *waiter, selector string) error {
	w.watch(ctx, func(ctx context.Context, established func()) error {
		return s.Pods.FollowNotEnded(ctx, selector, func() { established(); w.wakeUp() }, w.trouble)
	})
	return w.until(ctx, func(ctx context.Context) (bool, string, error) {
		left, err := retried(ctx, w.trouble, func(ctx context.Context) (string, error) { return s.podsLeft(ctx, selector) })
		return left == "" && err == nil, left, err
	})
}

// podsLeft names the pods that are waited for; "" if there is none.
func (s Step) podsLeft(ctx context.Context, selector string) (string, error) {
	found, err := s.Pods.NotEnded(ctx, selector)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return fmt.Sprintf("in namespace %s these pods may still run: %s", s.Namespace, pods.Names(found)), nil
}
