package step

import (
	"context"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

const quota = "exceeded quota: q, requested: count/volumesnapshots=1"

// VolSync has taken the trigger and cannot make its copy: the application is let go, and if
// VolSync then waits again there certainly is none.
func TestAwaitCompletedWithoutACopy(t *testing.T) {
	mine := waitingTrigger(t)
	inProgress := func(p *play) {
		p.annotate(handshake.StatusAnnotation, handshake.StatusInProgress, handshake.SinceAnnotation, "")
		p.change("rs", func() { p.sources[0].Trouble = quota })
	}
	waitsAgain := func(p *play) {
		p.faults(nil, once("patch pvc", func() error { p.waits("2000-01-01T00:01:00Z"); return nil }))
	}
	for name, c := range map[string]struct {
		untilCut        bool
		prepare, events func(*play)
		took            time.Duration
		want            want
	}{
		"VolSync waits again": {
			prepare: inProgress, events: waitsAgain, took: ack,
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"VolSync took the trigger and has made no copy within 1m0s", quota, "no copy: none was made"},
				trigger: "before",
			},
		},
		"until the cut": {
			untilCut: true, prepare: inProgress, events: waitsAgain, took: ack,
			want: want{outcome: outcome.Withdrawn, says: []string{"has made no copy within 1m0s", quota}, trigger: "before"},
		},
		"VolSync stands still": {
			prepare: inProgress,
			took:    ack + shortLimit,
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"has made no copy within 1m0s", quota},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"the copy comes then": {
			prepare: inProgress,
			events: func(p *play) {
				p.faults(nil, once("patch pvc", func() error { p.takes(); return nil }))
			},
			took: ack,
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"has made no copy within"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"the copy came in time": {
			prepare: inProgress,
			events: func(p *play) {
				after(ack - time.Second)
				p.takes()
				after(ack)
				p.completes()
			},
			took: 2*ack - time.Second,
			want: want{outcome: outcome.OK, trigger: mine},
		},
		"nobody knows whether there is one": {
			prepare: func(p *play) {
				p.faults(always(away, "list rs", "watch rs"), nil)
				inProgress(p)
			},
			events: func(p *play) { after(2 * ack); p.takes(); p.faults(nil, nil); p.completes() },
			took:   2 * ack,
			want:   want{outcome: outcome.OK, trigger: mine},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var trigger handshake.Trigger
			p := on(t, func(p *play) {
				trigger = p.made()
				lockedFor(run)(p)
				p.annotate(handshake.TriggerAnnotation, trigger.String())
				c.prepare(p)
			}, func(ctx context.Context, s Step) (any, error) {
				o := AwaitCompletedOptions{Trigger: trigger, UntilCut: c.untilCut, Timeout: freeze, Ack: ack}
				return Group{s}.AwaitCompleted(ctx, o)
			}, c.events)
			p.wants(t, c.want)
			if p.took != c.took {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
		})
	}
}
