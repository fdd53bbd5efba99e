package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// An earlier attempt of the run has fired and was lost.
func TestAwaitWaitingTakesItsOwnTriggerBack(t *testing.T) {
	armed := func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) }
	taken := func(p *play) { armed(p); p.takes() }
	locks := func(p *play) { p.annotate(handshake.LockAnnotation, lockValue(run)) }
	lost := func(n int) func(p *play) {
		return func(p *play) { p.faults(nil, times(n, always(away, "patch pvc"))) }
	}
	both := func(fs ...func(*play)) func(*play) {
		return func(p *play) {
			for _, f := range fs {
				f(p)
			}
		}
	}
	for name, c := range map[string]struct {
		prepare, events func(*play)
		want            want
	}{
		"not taken: goes on": {prepare: armed, want: want{outcome: outcome.OK, trigger: "before"}},
		"reply lost":         {prepare: both(armed, lost(1)), want: want{outcome: outcome.OK, trigger: "before"}},
		"changed at the same time": {
			prepare: both(armed, func(p *play) {
				p.faults(once("patch pvc", func() error { p.annotate("example.com/other", "x"); return nil }), nil)
			}),
			want: want{outcome: outcome.OK, trigger: "before"},
		},
		"taken: nobody knows": {
			prepare: taken,
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"taken, reply lost": {
			prepare: both(taken, lost(1)),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"taken at the same time": {
			prepare: both(armed, func(p *play) {
				p.faults(once("patch pvc", func() error { p.takes(); return nil }), nil)
			}),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"taken, and locked": {
			prepare: both(taken, locks),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "may have copied already"},
				hint:    "copytrigger unlock -n app --pvc data --run-id run-1 --all",
				trigger: "before",
			},
		},
		"not possible, and locked": {
			prepare: both(armed, locks, func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) }),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "ARMED", "cannot make sure"},
				hint:    "copytrigger disarm -n app --pvc data --run-id run-1; then unquiesce",
				trigger: other.String(),
			},
		},
		"not possible": {
			prepare: both(armed, func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) }),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"cannot make sure that no trigger of run run-1 stays armed", "not yours"},
				hint:    `grant the verb "patch"`,
				trigger: other.String(),
			},
		},
		"server gone meanwhile": {
			prepare: both(armed, func(p *play) { p.faults(always(away, "patch pvc"), nil) }),
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"cannot make sure"},
				hint:    "copytrigger disarm -n app --pvc data --run-id run-1",
				trigger: other.String(),
			},
		},
		"signal meanwhile": {
			prepare: both(armed, func(p *play) {
				p.faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
			}),
			want: want{outcome: outcome.Signalled, says: []string{"stopped by SIGTERM"}, hint: "another run", trigger: "before"},
		},
	} {
		t.Run(name, func(t *testing.T) { on(t, c.prepare, awaitWaiting(time.Hour), c.events).wants(t, c.want) })
	}
}
