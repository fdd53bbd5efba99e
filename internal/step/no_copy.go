package step

import (
	"context"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// VolSync that has taken a trigger makes its copy at once. Where that fails (a quota, a webhook),
// it tries again and again, and says why in a condition: the application is not kept quiesced for
// that.

// noCopy is why a wait ends in which VolSync took the trigger and made no copy.
type noCopy struct {
	after time.Duration
	says  string
}

func (n noCopy) Error() string {
	return fmt.Sprintf("VolSync took the trigger and has made no copy within %s%s", n.after, n.says)
}

// copyOverdue returns a function that reports whether the copy should be there by now, and wakes
// the wait when it should.
func (r *recordWait) copyOverdue() (overdue func() bool, stop func()) {
	if r.options.Ack == 0 {
		return func() bool { return false }, func() {}
	}
	if r.wake == nil {
		r.wake = make(chan struct{}, 1)
	}
	due := time.Now().Add(r.options.Ack)
	timer := time.AfterFunc(r.options.Ack, func() {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	})
	return func() bool { return !time.Now().Before(due) }, func() { timer.Stop() }
}

// beside is what was seen last of the ReplicationSource and the copy. It reports false if they
// were not looked at.
func (r *recordWait) beside() (handshake.Observed, bool) {
	if r.progress != nil {
		return r.progress.seen()
	}
	return r.last.observed, true
}

// hasNoCopy reports whether there certainly is no copy.
func (r *recordWait) hasNoCopy() bool {
	w, known := r.beside()
	return known && len(w.Sources) == 1 && w.Copy == nil
}

// says is what the ReplicationSource says about it.
func (r *recordWait) says() string {
	w, _ := r.beside()
	return w.Copying()
}

// waitsAnew is the decision about a trigger that was taken back while VolSync was copying. Where
// VolSync soon waits again and there is no copy, none was made; d is it otherwise.
func (s Step) waitsAnew(ctx context.Context, d handshake.Decision) handshake.Decision {
	if s.ClaimOnly {
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, shortLimit)
	defer cancel()
	_, _ = s.wait(ctx, false, wait{lenient: true, decide: func(_ context.Context, st observation) (bool, string, error) {
		again := handshake.WaitsAnew(st.observed)
		if again.Outcome == outcome.Withdrawn {
			d = again
		}
		return again.Do == handshake.End, s.subject() + ": whether VolSync waits again: " + again.Why, nil
	}})
	return d
}
