package step

import (
	"context"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Whatever stops the step, it knows what it has left.
func TestFireTriggerStopped(t *testing.T) {
	mine := waitingTrigger(t)
	at := func(request string, f func(p *play) error) func(*play) {
		return func(p *play) { p.faults(once(request, func() error { return f(p) }), nil) }
	}
	gone := func(p *play) error { p.faults(always(away), nil); return nil }
	signal := func(p *play) error { p.signal(); return nil }
	for name, c := range map[string]struct {
		prepare func(*play)
		timeout time.Duration
		want    want
		writes  int
		took    time.Duration
	}{
		"signal at the look": {at("get copy", signal), 0, want{outcome.Signalled, []string{"stopped by SIGTERM", "has fired nothing"}, "", ""}, 0, 0},
		"signal after the look": {func(p *play) { p.faults(nil, once("get copy", func() error { p.signal(); return nil })) }, 0,
			want{outcome.Signalled, []string{"stopped by SIGTERM; this attempt has fired nothing"}, "", ""}, 0, 0},
		"signal at the write": {at("patch pvc", signal), 0,
			want{outcome.Withdrawn, []string{"stopped by SIGTERM", "taken back before VolSync took it"}, "", "before"}, 2, 0},
		"signal after the write": {func(p *play) { p.faults(nil, once("patch pvc", func() error { p.signal(); return nil })) }, 0,
			want{outcome.Withdrawn, []string{"stopped by SIGTERM", "taken back before VolSync took it"}, "", "before"}, 2, 0},
		"signal at the write, and VolSync takes it": {func(p *play) {
			p.faults(nil, once("patch pvc", func() error { p.takes(); p.signal(); return nil }))
		}, 0, want{outcome.Tainted, []string{"stopped by SIGTERM", "may have copied already"}, "do not use", "before"}, 2, 0},
		"signal when it was set before": {func(p *play) {
			p.annotate(handshake.TriggerAnnotation, mine)
			p.faults(nil, once("get pvc", func() error { p.signal(); return nil }))
		}, 0, want{outcome.Withdrawn, []string{"stopped by SIGTERM"}, "", "before"}, 1, 0},
		"reply lost, applied, then the server": {func(p *play) {
			p.faults(nil, once("patch pvc", func() error { gone(p); return away }))
		}, 0, want{outcome.Tainted, []string{"timed out after 30s", "cannot make sure", "the server is away"}, "copytrigger disarm", mine}, 1, 30*time.Second + giveBackLimit},
		"reply lost, applied, then the server for a while": {func(p *play) {
			p.faults(nil, once("patch pvc", func() error { gone(p); time.AfterFunc(31*time.Second, func() { p.faults(nil, nil) }); return away }))
		}, 0, want{outcome.Withdrawn, []string{"timed out after 30s", "taken back"}, "", "before"}, 2, 0},
		"reply lost, not applied, then the server for a while": {
			at("patch pvc", func(p *play) error {
				gone(p)
				time.AfterFunc(31*time.Second, func() { p.faults(nil, nil) })
				return away
			}), 0,
			want{outcome.TimedOut, []string{"timed out after 30s", "the server is away"}, "has fired nothing", ""}, 2, 0},
		"server away":           {func(p *play) { gone(p) }, 0, want{outcome.TimedOut, []string{"timed out after 30s", "the server is away"}, "has fired nothing", ""}, 0, 30 * time.Second},
		"server away, one look": {func(p *play) { gone(p) }, -1, want{outcome.Failed, []string{"the server is away"}, "", ""}, 0, 0},
		"server hangs at the write": {func(p *play) {
			p.faults(nil, once("patch pvc", func() error { time.Sleep(writeLimit); return context.DeadlineExceeded }))
		}, 0, want{outcome: outcome.OK, trigger: mine}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := 30 * time.Second
			if c.timeout < 0 {
				timeout = 0
			}
			p := fire(t, timeout, c.prepare, nil)
			p.wants(t, c.want)
			if n := p.count("patch pvc"); n != c.writes {
				t.Errorf("wrote %d times, want %d: %q", n, c.writes, p.requests)
			}
			if c.took != 0 && p.took != c.took {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
		})
	}
}

// A pod has 30 s between SIGTERM and SIGKILL.
func TestLimitsFitIntoAPodsGrace(t *testing.T) {
	if all := writeLimit + giveBackLimit + proofLimit; all >= 30*time.Second {
		t.Errorf("a write, a surrender and a proof take up to %s", all)
	}
}
