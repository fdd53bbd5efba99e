package kube

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

var (
	passing = apierrors.NewServiceUnavailable("starting")
	final   = apierrors.NewForbidden(pvcs, "data", errors.New("no"))
)

func quiet(err error) bool { return Passing(err) }

func TestRetryRepeatsWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries, told, start := 0, 0, time.Now()
		err := Retry(t.Context(), func(err error) bool { told++; return Passing(err) }, func(context.Context) error {
			if tries++; tries < 4 {
				return passing
			}
			return nil
		})
		if err != nil || tries != 4 || told != 3 {
			t.Errorf("err %v after %d tries, told of %d, want none after 4, told of 3", err, tries, told)
		}
		// 100 + 200 + 400 ms, each with 20 % of jitter.
		if took := time.Since(start); took < 560*time.Millisecond || took > 840*time.Millisecond {
			t.Errorf("took %s, want about 700ms", took)
		}
	})
}

func TestRetryEndsAtOnceForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		err := Retry(t.Context(), quiet,
			func(context.Context) error { tries++; return final })
		if !errors.Is(err, final) || tries != 1 || time.Since(start) != 0 {
			t.Errorf("err %v after %d tries and %s, want %v at once", err, tries, time.Since(start), final)
		}
	})
}

func TestRetryKeepsTheLastReason(t *testing.T) {
	hanging := func(says func(context.Context) error) func(context.Context) error {
		n := 0
		return func(ctx context.Context) error {
			if n++; n < 3 {
				return passing
			}
			<-ctx.Done()
			return says(ctx)
		}
	}
	timeUp := errors.New("time is up")
	for name, f := range map[string]func(context.Context) error{
		"failing at once":    func(context.Context) error { return passing },
		"hanging at the end": hanging(func(ctx context.Context) error { return ctx.Err() }),
		"hanging at the end, with the cause": hanging(func(ctx context.Context) error { // as net/http says it
			return &url.Error{Op: "Get", URL: "x", Err: context.Cause(ctx)}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, timeUp)
				defer cancel()
				start := time.Now()
				if err := Retry(ctx, quiet, f); !errors.Is(err, passing) {
					t.Errorf("got %v, want the last reason %v", err, passing)
				}
				if took := time.Since(start); took != time.Hour {
					t.Errorf("took %s, want 1h", took)
				}
			})
		})
	}
}

// What succeeded has succeeded, also if time is up in the same moment.
func TestRetrySucceedsAtTheLastMoment(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := Retry(ctx, quiet, func(context.Context) error {
		if tries++; tries == 1 {
			return passing
		}
		cancel()
		return nil
	})
	if err != nil {
		t.Errorf("got %v, want success", err)
	}
}

// A refusal is the better answer than an earlier trouble, also if time is up.
func TestRetryFailsForGoodAtTheLastMoment(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := Retry(ctx, quiet, func(context.Context) error {
		if tries++; tries == 1 {
			return passing
		}
		cancel()
		return final
	})
	if !errors.Is(err, final) {
		t.Errorf("got %v, want %v", err, final)
	}
}

func TestRetryDoesNotStartAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped")
	cancel(cause)
	err := Retry(ctx, quiet, func(context.Context) error { t.Error("tried"); return nil })
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}

// pauses runs a Retry of a fixed error for as long as it takes to see n pauses.
func pauses(t *testing.T, fail error, n int) []time.Duration {
	var ps []time.Duration
	last := time.Now()
	_ = Retry(t.Context(), quiet, func(context.Context) error {
		if now := time.Now(); now != last {
			ps = append(ps, now.Sub(last))
			last = now
		}
		if len(ps) == n {
			return nil
		}
		return fail
	})
	return ps
}

func TestRetryPausesHaveACap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps := pauses(t, passing, 80) // more than the bits of the exponent
		for i, p := range ps {
			if p > maxPause*120/100 {
				t.Errorf("pause %d is %s, longer than %s and its jitter", i, p, maxPause)
			}
			if i >= 8 && p < maxPause*80/100 {
				t.Errorf("pause %d is %s, shorter than %s and its jitter", i, p, maxPause)
			}
		}
	})
}

func TestRetryHonoursRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i, p := range pauses(t, apierrors.NewTooManyRequests("slow down", 40), 5) {
			if p != 40*time.Second {
				t.Errorf("pause %d is %s, want the 40s that the server asked for", i, p)
			}
		}
	})
}

// A first try that the end interrupts has failed, also if there was no trouble before.
func TestRetryInterruptedAtFirst(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Retry(ctx, quiet, func(ctx context.Context) error { cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A limit of the request itself is a trouble like any other, and is repeated.
func TestRetryRepeatsWhatHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := Retry(t.Context(), quiet, func(context.Context) error {
			switch tries++; tries {
			case 1:
				return passing
			case 2:
				return context.DeadlineExceeded
			}
			return nil
		})
		if err != nil || tries != 3 {
			t.Errorf("got %v after %d tries", err, tries)
		}
	})
}

// What fails at the end is not tried again, and nobody is told that it is. A step that is stopped says
// what was wrong before, not that a request was interrupted, whichever of the two its client returns.
func TestRetryEndsWithoutTrouble(t *testing.T) {
	for _, last := range []error{passing, context.Canceled, errStopped} {
		ctx, cancel := context.WithCancelCause(t.Context())
		tries, told := 0, 0
		err := Retry(ctx, func(err error) bool { told++; return Passing(err) }, func(context.Context) error {
			if tries++; tries == 1 {
				return passing
			}
			cancel(errStopped)
			return last
		})
		if !errors.Is(err, passing) || tries != 2 || told != 1 {
			t.Errorf("%v: got %v after %d tries, told of %d", last, err, tries, told)
		}
	}
}

var errStopped = errors.New("stopped")
