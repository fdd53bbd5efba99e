package step

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// fire fires the trigger that await-waiting has made at the start.
func fire(t *testing.T, timeout time.Duration, prepare, events func(*play)) *play {
	var (
		trigger handshake.Trigger
		after   string
	)
	return on(t, func(p *play) {
		trigger = p.made()
		lockedFor(run)(p)
		defer func() { after = p.after }()
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.FireTrigger(ctx, FireTriggerOptions{Trigger: trigger, After: after, Timeout: timeout})
	}, events)
}

func TestFireTrigger(t *testing.T) {
	mine := waitingTrigger(t)
	set := func(p *play) { p.annotate(handshake.TriggerAnnotation, mine) }
	other := func(p *play) func() error {
		return func() error { p.annotate("example.com/other", "x"); return nil }
	}
	for name, c := range map[string]struct {
		prepare, events func(*play)
		want            want
		writes          int
		fired           bool
	}{
		"fires":                   {nil, nil, want{outcome: outcome.OK, trigger: mine}, 1, true},
		"set already":             {set, nil, want{outcome: outcome.OK, trigger: mine}, 0, false},
		"taken already":           {func(p *play) { set(p); p.takes() }, nil, want{outcome: outcome.OK, trigger: mine}, 0, false},
		"recorded already":        {func(p *play) { set(p); p.takes(); p.completes() }, nil, want{outcome: outcome.OK, trigger: mine}, 0, false},
		"used up":                 {func(p *play) { set(p); p.takes(); p.completes(); p.waits("2000-01-01T01:00:00Z") }, nil, want{outcome.Refused, []string{"used up"}, "run await-waiting again", mine}, 0, false},
		"made for another wait":   {func(p *play) { p.waits("2000-01-01T01:00:00Z") }, nil, want{outcome.Refused, []string{"another wait"}, "run await-waiting again", ""}, 0, false},
		"not waiting any more":    {func(p *play) { p.sources[0].SyncStart = "" }, nil, want{outcome.Refused, []string{"not waiting any more", "no sync running"}, "run await-waiting again", ""}, 0, false},
		"conflict, still waiting": {func(p *play) { p.faults(once("patch pvc", other(p)), nil) }, nil, want{outcome: outcome.OK, trigger: mine}, 2, true},
		"conflict, armed by somebody": {func(p *play) {
			p.faults(once("patch pvc", func() error { p.annotate(handshake.TriggerAnnotation, "else"); return nil }), nil)
		}, nil, want{outcome.Refused, []string{"armed with the trigger \"else\""}, "kubectl annotate", "else"}, 1, false},
		"reply lost, applied":     {func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))) }, nil, want{outcome: outcome.OK, trigger: mine}, 1, false},
		"reply lost, not applied": {func(p *play) { p.faults(times(1, always(away, "patch pvc")), nil) }, nil, want{outcome: outcome.OK, trigger: mine}, 2, true},
		"request lost, then armed by somebody": {func(p *play) {
			p.faults(once("patch pvc", func() error { p.annotate(handshake.TriggerAnnotation, "else"); return away }), nil)
		}, nil, want{outcome.Tainted, []string{"PVC app/data: it is armed with the trigger \"else\"", "replaced"}, "one run at a time", "else"}, 2, false},
		"reply lost, conflict, then armed by somebody": {func(p *play) {
			writes := 0
			p.faults(func(request string) error {
				if request != "patch pvc" {
					return nil
				}
				switch writes++; writes {
				case 1:
					return away
				case 2:
					p.annotate(handshake.TriggerAnnotation, "else")
				}
				return nil
			}, nil)
		}, nil, want{outcome.Tainted, []string{"replaced"}, "one run at a time", "else"}, 3, false},
		"reply not readable, applied": {func(p *play) { p.faults(nil, times(1, always(errors.New("cannot decode"), "patch pvc"))) }, nil,
			want{outcome.Withdrawn, []string{"cannot decode", "taken back before VolSync took it"}, "", "before"}, 2, false},
		"no permission": {func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) }, nil,
			want{outcome.Refused, []string{"not yours"}, `grant the verb "patch"`, ""}, 1, false},
		"server away for a while": {func(p *play) { p.faults(times(3, always(away)), nil) }, nil, want{outcome: outcome.OK, trigger: mine}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := fire(t, 30*time.Second, c.prepare, c.events)
			p.wants(t, c.want)
			if n := p.count("patch pvc"); n != c.writes {
				t.Errorf("wrote %d times, want %d", n, c.writes)
			}
			if at := p.result.(Fired).At; at.IsZero() == c.fired {
				t.Errorf("fired at %s, want a time: %v", at, c.fired)
			}
		})
	}
}

// waitingTrigger is the trigger for the wait in which every play starts.
func waitingTrigger(t *testing.T) string { return (&play{cluster: waiting(t)}).made().String() }
