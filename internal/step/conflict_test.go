package step

import (
	"context"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A claim that is written all the time does not make a step write all the time.
func TestConflictsAreNotTriedInALoop(t *testing.T) {
	const limit = 30 * time.Second
	always := func(p *play) { p.faults(always(conflict, "patch pvc"), nil) }
	for name, c := range map[string]struct {
		play *play
		want outcome.Outcome
	}{
		"fire-trigger":  {fire(t, limit, always, nil), outcome.TimedOut},
		"await-waiting": {on(t, always, awaitWaiting(limit), nil), outcome.TimedOut},
		"unlock": {on(t, func(p *play) { lockedFor(run)(p); always(p) }, func(ctx context.Context, s Step) (any, error) {
			return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, Timeout: limit})
		}, nil), outcome.TimedOut},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.play.outcome(); got != c.want || c.play.took < limit {
				t.Errorf("ended %s after %s (%v), want %s after %s", got, c.play.took, c.play.err, c.want, limit)
			}
			if n := c.play.count("patch pvc"); n < conflictsAtOnce || n > 3*conflictsAtOnce {
				t.Errorf("wrote %d times", n)
			}
		})
	}
}

// The first conflicts cost no time: the application is frozen.
func TestFirstConflictsAreTriedAtOnce(t *testing.T) {
	p := fire(t, time.Minute, func(p *play) { p.faults(times(conflictsAtOnce, always(conflict, "patch pvc")), nil) }, nil)
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	if p.took != 0 {
		t.Errorf("took %s", p.took)
	}
}
