package step

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

type firedAndCopied struct {
	fired  Fired
	copied Copied
}

// fireAndAwait does both on a claim that VolSync waits on.
func fireAndAwait(t *testing.T, prepare, events func(*play)) *play {
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
		f, c, err := Group{s}.FireAndAwait(ctx, FireTriggerOptions{Trigger: trigger, After: after},
			AwaitCompletedOptions{Trigger: trigger, Timeout: freeze, Ack: ack})
		return firedAndCopied{f, single(c).(Copied)}, err
	}, events)
}

func TestFireAndAwait(t *testing.T) {
	mine := waitingTrigger(t)
	p := fireAndAwait(t, nil, func(p *play) { after(time.Second); p.takes(); after(time.Minute); p.completes() })
	p.wants(t, want{outcome: outcome.OK, trigger: mine})
	if n := p.count("patch pvc"); n != 1 {
		t.Errorf("%d writes, want the trigger's alone", n)
	}
	if got := p.result.(firedAndCopied); got.fired.At.IsZero() || got.copied.Took != p.took {
		t.Errorf("got %+v", got)
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
		"quiesce failed":     {func(p *play) { p.after = failed }, nil, outcome.Refused, false},
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
			if got := p.result.(firedAndCopied).copied; got != (Copied{}) {
				t.Errorf("got the copy %+v", got)
			}
		})
	}
}
