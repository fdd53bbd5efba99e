package step

import (
	"context"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

const (
	freeze = 10 * time.Minute
	ack    = time.Minute
)

// complete awaits the trigger that has been fired into the wait.
func complete(t *testing.T, timeout time.Duration, prepare, events func(*play)) *play {
	var trigger handshake.Trigger
	return on(t, func(p *play) {
		trigger = p.made()
		lockedFor(run)(p)
		p.annotate(handshake.TriggerAnnotation, trigger.String())
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.AwaitCompleted(ctx, AwaitCompletedOptions{Trigger: trigger, Timeout: timeout, Ack: ack})
	}, events)
}

func TestAwaitCompleted(t *testing.T) {
	mine := waitingTrigger(t)
	for name, c := range map[string]struct {
		prepare, events func(*play)
		took            time.Duration
	}{
		"completes": {
			events: func(p *play) { after(time.Second); p.takes(); after(time.Minute); p.completes() },
			took:   time.Minute + time.Second,
		},
		"completed already": {prepare: func(p *play) { p.takes(); p.completes() }},
		"the next wait has begun": {
			events: func(p *play) { p.takes(); after(time.Minute); p.completes(); p.waits("2000-01-01T01:00:00Z") },
			took:   time.Minute,
		},
		"later than the limit to react": {
			events: func(p *play) { p.takes(); after(5 * time.Minute); p.completes() },
			took:   5 * time.Minute,
		},
		"while the server is away": {
			events: func(p *play) {
				p.takes()
				after(time.Second)
				p.faults(always(away), nil)
				p.completes()
				after(time.Minute)
				p.faults(nil, nil)
				after(maxRetry)
			},
			took: time.Minute + time.Second,
		},
		"in the last moment": {
			events: func(p *play) {
				p.takes()
				after(freeze - time.Second)
				p.faults(once("get pvc", func() error { p.completes(); return nil }), nil) // the look that gives up
			},
			took: freeze,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := complete(t, freeze, c.prepare, c.events)
			p.wants(t, want{outcome: outcome.OK, trigger: mine})
			if p.took < c.took || p.took > c.took+maxRetry {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
			if n := p.count("patch pvc"); n != 0 {
				t.Errorf("%d writes", n)
			}
			if got := p.result.(Copied).Took; got != p.took && name != "in the last moment" {
				t.Errorf("the copy took %s, want %s", got, p.took)
			}
		})
	}
}

func TestAwaitCompletedGivesTheCut(t *testing.T) {
	const cut = "2000-01-01T00:00:05Z"
	p := complete(t, freeze, nil, func(p *play) {
		p.takes()
		after(time.Second)
		p.cuts(cut)
		after(time.Second)
		p.completes()
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	if got := p.result.(Copied).CutTime; got != cut {
		t.Errorf("got cut-time %v, want %s", got, cut)
	}
	for _, says := range []string{"is not cut yet", "was cut at " + cut} {
		if p.log.count(says) != 1 {
			t.Errorf("want %q once in the log:\n%s", says, &p.log.b)
		}
	}
}

func TestAwaitCompletedLooksOnce(t *testing.T) {
	complete(
		t,
		0,
		nil,
		nil,
	).wants(t, want{outcome.Withdrawn, []string{"not at the first look", "taken back"}, "", "before"})
	complete(
		t,
		0,
		func(p *play) { p.takes(); p.completes() },
		nil,
	).wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
}

// A trigger that is nowhere to be seen was never fired if VolSync still waits as it did when the
// trigger was made. Else a copy may have been made for it: the record was replaced since.
func TestAwaitCompletedAfterTheRecordWasReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(p *play)
		want    outcome.Outcome
	}{
		"the same wait":     {func(*play) {}, outcome.Refused},
		"another wait":      {func(p *play) { p.waits("2000-01-01T09:00:00Z") }, outcome.Unverified},
		"another record":    {func(p *play) { p.annotate(handshake.LatestAnnotation, "newer") }, outcome.Unverified},
		"another sync":      {func(p *play) { p.sources[0].SyncStart = "2000-01-01T09:00:00Z" }, outcome.Unverified},
		"it cannot be read": {func(p *play) { p.faults(always(forbidden, "list rs"), nil) }, outcome.Unverified},
	} {
		p := complete(t, freeze, func(p *play) {
			p.annotate(handshake.TriggerAnnotation, "")
			c.prepare(p)
		}, nil)
		if got := p.outcome(); got != c.want {
			t.Errorf("%s: got %s (%v), want %s", name, got, p.err, c.want)
		}
	}
}
