package step

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
)

// fireAndAwait does both on a claim that VolSync waits on.
func fireAndAwait(t *testing.T, prepare, events func(*play)) *play {
	var trigger handshake.Trigger
	return on(t, func(p *play) {
		trigger = p.made()
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (result.Values, error) {
		return s.FireAndAwait(ctx, trigger, freeze, ack)
	}, events)
}

func TestFireAndAwait(t *testing.T) {
	mine := waitingTrigger(t)
	p := fireAndAwait(t, nil, func(p *play) { after(time.Second); p.takes(); after(time.Minute); p.completes() })
	p.wants(t, want{outcome: outcome.OK, trigger: mine})
	if n := p.count("patch pvc"); n != 1 {
		t.Errorf("%d writes, want the trigger's alone", n)
	}
	for _, name := range []string{"trigger", "fired-at", "cut-time", "copy-seconds"} {
		if got := p.values.Get(name); got == nil || name != "cut-time" && got == "" {
			t.Errorf("got the result %s %v", name, got)
		}
	}
}

// Where quiesce has failed nothing is fired, and nothing waited for; a trigger that somebody
// else has set is not taken for one's own; and what ends the wait takes the trigger back.
func TestFireAndAwaitThatEndsBadly(t *testing.T) {
	failed := filepath.Join(t.TempDir(), "exitCode")
	if err := os.WriteFile(failed, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	mine := waitingTrigger(t)
	set := func(p *play) { p.annotate(handshake.TriggerAnnotation, mine) }
	for name, c := range map[string]struct {
		prepare, events func(*play)
		outcome         outcome.Outcome
		armed           bool
	}{
		"quiesce failed":     {func(p *play) { p.step.After = failed }, nil, outcome.Refused, false},
		"set already":        {set, nil, outcome.Unverified, false},
		"set and recorded":   {func(p *play) { set(p); p.takes(); p.completes() }, nil, outcome.Unverified, true},
		"nobody reacts":      {nil, nil, outcome.Withdrawn, false},
		"a signal":           {nil, func(p *play) { p.signal() }, outcome.Withdrawn, false},
		"a signal in a copy": {nil, func(p *play) { p.takes(); p.signal() }, outcome.Tainted, false},
		"it never completes": {nil, func(p *play) { p.takes() }, outcome.Tainted, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := fireAndAwait(t, c.prepare, c.events)
			ending, is := p.err.(*outcome.Ending)
			if !is || ending.Outcome != c.outcome {
				t.Errorf("ended with %v, want %s", p.err, c.outcome)
			}
			if got := p.trigger(); (got == mine) != c.armed {
				t.Errorf("the trigger is %q", got)
			}
			for _, name := range []string{"trigger", "fired-at", "cut-time", "copy-seconds"} {
				if p.values.Get(name) == nil {
					t.Errorf("there is no result %s", name)
				}
			}
		})
	}
}
