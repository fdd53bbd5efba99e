package kube

import (
	"context"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 15 * time.Second
)

// Trouble is told about every failed try, and says whether to try again: [Passing], where
// the caller does not know better.
type Trouble func(error) (again bool)

// Retry runs f until it succeeds, fails for good, or ctx ends. Its error is the last one
// of f: an error of ctx alone would not say what was wrong all the while.
func Retry(ctx context.Context, trouble Trouble, f func(context.Context) error) error {
	var last error
	err := retry.Do(ctx, backoff(&last), func(ctx context.Context) error {
		err := f(ctx)
		switch {
		case last != nil && ctx.Err() != nil && interrupted(ctx, err):
			return last // err only repeats that time is up
		case err == nil || ctx.Err() != nil || !trouble(err):
			last = err
			return err
		}
		last = err
		return retry.RetryableError(err)
	})
	if last != nil {
		return last
	}
	return err
}

// interrupted reports whether a request only failed because its context ended. Some clients
// return the context's cause then, as net/http does.
func interrupted(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Cause(ctx))
}

// backoff doubles from firstPause to maxPause, never comes back sooner than the server
// asked in *last, and is jittered so that many runs do not come back together.
func backoff(last *error) retry.Backoff {
	b := retry.WithJitterPercent(20, retry.WithCappedDuration(maxPause, retry.NewExponential(firstPause)))
	return retry.BackoffFunc(func() (time.Duration, bool) {
		pause, stop := b.Next()
		return max(pause, retryAfter(*last)), stop
	})
}
