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
		"fires":       {want: want{outcome: outcome.OK, trigger: mine}, writes: 1, fired: true},
		"set already": {prepare: set, want: want{outcome: outcome.OK, trigger: mine}},
		"taken already": {
			prepare: func(p *play) { set(p); p.takes() },
			want:    want{outcome: outcome.OK, trigger: mine},
		},
		"recorded already": {
			prepare: func(p *play) { set(p); p.takes(); p.completes() },
			want:    want{outcome: outcome.OK, trigger: mine},
		},
		"used up": {
			prepare: func(p *play) { set(p); p.takes(); p.completes(); p.waits("2000-01-01T01:00:00Z") },
			want:    want{outcome: outcome.Refused, says: []string{"used up"}, hint: "run await-waiting again", trigger: mine},
		},
		"made for another wait": {
			prepare: func(p *play) { p.waits("2000-01-01T01:00:00Z") },
			want:    want{outcome: outcome.Refused, says: []string{"another wait"}, hint: "run await-waiting again"},
		},
		"not waiting any more": {
			prepare: func(p *play) { p.sources[0].SyncStart = "" },
			want: want{
				outcome: outcome.Refused,
				says:    []string{"not waiting any more", "no sync running"},
				hint:    "run await-waiting again",
			},
		},
		"conflict, still waiting": {
			prepare: func(p *play) { p.faults(once("patch pvc", other(p)), nil) },
			want:    want{outcome: outcome.OK, trigger: mine},
			writes:  2,
			fired:   true,
		},
		"conflict, armed by somebody": {
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error { p.annotate(handshake.TriggerAnnotation, "else"); return nil }), nil)
			},
			want: want{
				outcome: outcome.Refused,
				says:    []string{"armed with the trigger \"else\""},
				hint:    "kubectl annotate",
				trigger: "else",
			},
			writes: 1,
		},
		"reply lost, applied": {
			prepare: func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))) },
			want:    want{outcome: outcome.OK, trigger: mine},
			writes:  1,
		},
		"reply lost, not applied": {
			prepare: func(p *play) { p.faults(times(1, always(away, "patch pvc")), nil) },
			want:    want{outcome: outcome.OK, trigger: mine},
			writes:  2,
			fired:   true,
		},
		"request lost, then armed by somebody": {
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error { p.annotate(handshake.TriggerAnnotation, "else"); return away }), nil)
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/data: it is armed with the trigger \"else\"", "replaced"},
				hint:    "one run at a time",
				trigger: "else",
			},
			writes: 2,
		},
		"reply lost, conflict, then armed by somebody": {
			prepare: func(p *play) {
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
			},
			want:   want{outcome: outcome.Tainted, says: []string{"replaced"}, hint: "one run at a time", trigger: "else"},
			writes: 3,
		},
		"reply not readable, applied": {
			prepare: func(p *play) { p.faults(nil, times(1, always(errors.New("cannot decode"), "patch pvc"))) },
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"cannot decode", "taken back before VolSync took it"},
				trigger: "before",
			},
			writes: 2,
		},
		"no permission": {
			prepare: func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) },
			want:    want{outcome: outcome.Refused, says: []string{"not yours"}, hint: `grant the verb "patch"`},
			writes:  1,
		},
		"server away for a while": {
			prepare: func(p *play) { p.faults(times(3, always(away)), nil) },
			want:    want{outcome: outcome.OK, trigger: mine},
			writes:  1,
			fired:   true,
		},
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
