package step

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// awaitCut waits, with a lock, for the cut of a copy that VolSync is making.
func awaitCut(t *testing.T, timeout, ack time.Duration, prepare, events func(*play)) *play {
	var trigger handshake.Trigger
	return on(t, func(p *play) {
		p.sources[0].Claim = name
		trigger = p.made()
		p.annotate(handshake.TriggerAnnotation, trigger.String())
		p.untilCut = true
		lockedFor(run)(p)
		p.takes()
		p.cut("copy-1")
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		o := AwaitCompletedOptions{Trigger: trigger, UntilCut: true, Timeout: timeout, Ack: ack}
		return Group{s}.AwaitCompleted(ctx, o)
	}, events)
}

// secondLook is a fault of the look at the lock, which comes after that at the copy: then the
// claim has been seen. From then on all looks at the claim have it.
func secondLook(p *play, err error) {
	gets := 0
	p.faults(func(request string) error {
		if request != "get pvc" {
			return nil
		}
		if gets++; gets < 2 {
			return nil
		}
		return err
	}, nil)
}

func TestAwaitCut(t *testing.T) {
	p := awaitCut(t, time.Minute, time.Minute, nil, nil)
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	if got := p.result.(Copied).Copy; got != "copy-1" {
		t.Errorf("got copy %q", got)
	}
	p.wantLock(t, run)

	p = awaitCut(t, 0, time.Minute, nil, nil)
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
}

// Who gives up while the lock cannot be looked at has seen the cut nevertheless, or not: it
// gives the trigger back.
func TestAwaitCutCannotLookAtTheLock(t *testing.T) {
	// Once only.
	p := awaitCut(t, 0, time.Minute, func(p *play) {
		secondLook(p, errors.New("boom"))
		time.AfterFunc(time.Second, func() { p.faults(nil, nil) })
	}, nil)
	mine := waitingTrigger(t)
	p.wants(t, want{outcome: outcome.Tainted, says: []string{"boom"}, hint: "copytrigger disarm", trigger: mine})
	if p.took > giveBackLimit {
		t.Errorf("took %s", p.took)
	}
	// A right that is taken away is believed, and not at once.
	p = awaitCut(t, time.Hour, time.Minute, func(p *play) { secondLook(p, forbidden) }, nil)
	p.wants(t, want{outcome: outcome.Tainted, says: []string{"not yours"}, hint: "get", trigger: mine})
	if p.took > graceOfRefusal+giveBackLimit+maxRetry {
		t.Errorf("took %s", p.took)
	}
}

// What has been seen once is not forgotten: that VolSync has taken the trigger.
func TestAwaitCutRemembers(t *testing.T) {
	p := awaitCut(t, time.Hour, time.Minute, func(p *play) { p.copied.Cut = "" }, func(p *play) {
		after(2 * time.Minute) // more than it has to react
		p.faults(always(away), nil)
		p.annotate(handshake.TriggerAnnotation, "before")
		p.change("copy", func() { p.copied = nil })
		p.waits("2000-01-01T01:00:00Z")
		after(time.Second)
		p.signal()
		p.faults(nil, nil)
	})
	p.wants(
		t,
		want{outcome: outcome.Unverified, says: []string{"took the trigger back"}, hint: "do not rely", trigger: "before"},
	)
	p.wantLock(t, run+"/lost")
}

// VolSync records the trigger when the wait is over, and the application runs again, so that the
// run has no lock any more. That is well if VolSync had recorded it before the cut was seen, and
// cannot be tied to the copy otherwise.
func TestRecordedInTheLastMomentAfterTheFreeze(t *testing.T) {
	for uid, w := range map[string]want{
		Recorded: {outcome: outcome.OK, trigger: waitingTrigger(t)},
		"copy-1": {
			outcome: outcome.Unverified, says: []string{"nobody saw for which copy"}, hint: "do not rely",
			trigger: waitingTrigger(t),
		},
	} {
		t.Run(uid, func(t *testing.T) {
			var trigger handshake.Trigger
			p := on(t, func(p *play) {
				p.sources[0].Claim = name
				trigger = p.made()
				p.annotate(handshake.TriggerAnnotation, trigger.String())
				p.takes()
			}, func(ctx context.Context, s Step) (any, error) {
				return Group{s}.AwaitCompleted(
					ctx,
					AwaitCompletedOptions{Trigger: trigger, Copy: uid, Timeout: time.Minute, Ack: time.Minute},
				)
			}, func(p *play) {
				after(time.Second)
				p.faults(always(away), nil)
				after(time.Minute)
				p.completes()
				p.faults(nil, nil)
			})
			p.wants(t, w)
		})
	}
}
