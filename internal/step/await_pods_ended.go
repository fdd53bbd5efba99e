package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/result"
)

// AwaitPodsEnded waits until no pod with these labels can run anything any more. It is for
// the clean-up after a run that was cancelled: its pod still has its grace period, and
// could quiesce after the clean-up's unquiesce. A timeout of 0 looks once.
func (s Step) AwaitPodsEnded(ctx context.Context, selector string, timeout time.Duration) (result.Values, error) {
	ctx, cancel := limit(ctx, timeout)
	defer cancel()
	out, w := s.values(), s.waiter(decider{})
	var err error
	if timeout == 0 {
		err = w.oncePods(ctx, selector)
	} else {
		err = w.during(ctx, func(ctx context.Context) error { return w.runPods(ctx, selector) })
	}
	if err == nil {
		s.Log.Info(fmt.Sprintf("no pod with the labels %s in namespace %s can run any more", selector, s.Namespace))
	}
	err = s.unfired(err, w.why())
	if ending := (*outcome.Ending)(nil); errors.As(err, &ending) && ending.Outcome == outcome.TimedOut {
		ending.Hint = fmt.Sprintf("see what they do: kubectl get pods -n %s -l '%s'; or raise --timeout", s.Namespace, selector)
	}
	return out, err
}

// runPods looks when the watch stands, and after each change.
func (w *waiter) runPods(ctx context.Context, selector string) error {
	w.watch(ctx, func(ctx context.Context, changed func()) error {
		return w.step.Pods.FollowNotEnded(ctx, selector, changed, w.trouble)
	})
	for {
		if err := w.next(ctx); err != nil {
			return err
		}
		var left string
		err := kube.Retry(ctx, w.trouble, func(ctx context.Context) (err error) {
			left, err = w.step.podsLeft(ctx, selector)
			return err
		})
		if ctx.Err() != nil {
			continue
		}
		if err != nil || left == "" {
			return err
		}
		w.because(left)
	}
}

// oncePods is a wait that does not wait.
func (w *waiter) oncePods(ctx context.Context, selector string) error {
	var left string
	err := w.step.persist(ctx, true, func(ctx context.Context) (err error) {
		left, err = w.step.podsLeft(ctx, selector)
		return err
	})
	if err != nil || left == "" {
		return err
	}
	w.reason = left
	return timeUp{0}
}

// podsLeft says which pods are waited for; "" if none is.
func (s Step) podsLeft(ctx context.Context, selector string) (string, error) {
	found, err := s.Pods.NotEnded(ctx, selector)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return fmt.Sprintf("in namespace %s these pods may still run: %s", s.Namespace, pods.Names(found)), nil
}
