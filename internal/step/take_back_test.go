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
		"not taken: goes on": {armed, nil, want{outcome: outcome.OK, trigger: "before"}},
		"reply lost":         {both(armed, lost(1)), nil, want{outcome: outcome.OK, trigger: "before"}},
		"changed at the same time": {both(armed, func(p *play) {
			p.faults(once("patch pvc", func() error { p.annotate("example.com/other", "x"); return nil }), nil)
		}), nil, want{outcome: outcome.OK, trigger: "before"}},
		"taken: nobody knows": {taken, nil, want{outcome.Tainted, []string{"may have copied already"}, "do not use", "before"}},
		"taken, reply lost":   {both(taken, lost(1)), nil, want{outcome.Tainted, []string{"may have copied already"}, "do not use", "before"}},
		"taken at the same time": {both(armed, func(p *play) {
			p.faults(once("patch pvc", func() error { p.takes(); return nil }), nil)
		}), nil, want{outcome.Tainted, []string{"may have copied already"}, "do not use", "before"}},
		"taken, and locked": {both(taken, locks), nil,
			want{outcome.Tainted, []string{"THE APPLICATION MAY STILL BE QUIESCED", "may have copied already"},
				"copytrigger unlock -n app --pvc data --run-id run-1 --all", "before"}},
		"not possible, and locked": {both(armed, locks, func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) }), nil,
			want{outcome.Tainted, []string{"THE APPLICATION MAY STILL BE QUIESCED", "ARMED", "cannot make sure"},
				"copytrigger disarm -n app --pvc data --run-id run-1; then unquiesce", other.String()}},
		"not possible": {both(armed, func(p *play) { p.faults(always(forbidden, "patch pvc"), nil) }), nil,
			want{outcome.Tainted, []string{"cannot make sure that no trigger of run run-1 stays armed", "not yours"}, `grant the verb "patch"`, other.String()}},
		"server gone meanwhile": {both(armed, func(p *play) { p.faults(always(away, "patch pvc"), nil) }), nil,
			want{outcome.Tainted, []string{"cannot make sure"}, "copytrigger disarm -n app --pvc data --run-id run-1", other.String()}},
		"signal meanwhile": {both(armed, func(p *play) {
			p.faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
		}), nil, want{outcome.Signalled, []string{"stopped by SIGTERM"}, "", "before"}},
	} {
		t.Run(name, func(t *testing.T) { on(t, c.prepare, awaitWaiting(time.Hour), c.events).wants(t, c.want) })
	}
}
