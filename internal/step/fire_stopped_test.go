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
		"signal at the look": {
			prepare: at("get copy", signal),
			want: want{
				outcome: outcome.Signalled, says: []string{"stopped by SIGTERM", "has fired nothing"}, hint: "another run",
			},
		},
		"signal after the look": {
			prepare: func(p *play) { p.faults(nil, once("get copy", func() error { p.signal(); return nil })) },
			want: want{
				outcome: outcome.Signalled, says: []string{"stopped by SIGTERM; this attempt has fired nothing"},
				hint: "another run",
			},
		},
		"signal at the write": {
			prepare: at("patch pvc", signal),
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"stopped by SIGTERM", "taken back before VolSync took it"},
				trigger: "before",
			},
			writes: 2,
		},
		"signal after the write": {
			prepare: func(p *play) { p.faults(nil, once("patch pvc", func() error { p.signal(); return nil })) },
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"stopped by SIGTERM", "taken back before VolSync took it"},
				trigger: "before",
			},
			writes: 2,
		},
		"signal at the write, and VolSync takes it": {
			prepare: func(p *play) {
				p.faults(nil, once("patch pvc", func() error { p.takes(); p.signal(); return nil }))
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"stopped by SIGTERM", "may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
			writes: 2,
		},
		"signal when it was set before": {
			prepare: func(p *play) {
				p.annotate(handshake.TriggerAnnotation, mine)
				p.faults(nil, once("get pvc", func() error { p.signal(); return nil }))
			},
			want:   want{outcome: outcome.Withdrawn, says: []string{"stopped by SIGTERM"}, trigger: "before"},
			writes: 1,
		},
		"reply lost, applied, then the server": {
			prepare: func(p *play) {
				p.faults(nil, once("patch pvc", func() error { gone(p); return away }))
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"timed out after 30s", "cannot make sure", "the server is away"},
				hint:    "copytrigger disarm",
				trigger: mine,
			},
			writes: 1,
			took:   30*time.Second + giveBackLimit,
		},
		"reply lost, applied, then the server for a while": {
			prepare: func(p *play) {
				p.faults(nil, once("patch pvc", func() error {
					gone(p)
					time.AfterFunc(31*time.Second, func() { p.faults(nil, nil) })
					return away
				}))
			},
			want:   want{outcome: outcome.Withdrawn, says: []string{"timed out after 30s", "taken back"}, trigger: "before"},
			writes: 2,
		},
		"reply lost, not applied, then the server for a while": {
			prepare: at("patch pvc", func(p *play) error {
				gone(p)
				time.AfterFunc(31*time.Second, func() { p.faults(nil, nil) })
				return away
			}),
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 30s", "the server is away"},
				hint:    "has fired nothing",
			},
			writes: 2,
		},
		"server away": {
			prepare: func(p *play) { gone(p) },
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"timed out after 30s", "the server is away"},
				hint:    "has fired nothing",
			},
			took: 30 * time.Second,
		},
		"server away, one look": {
			prepare: func(p *play) { gone(p) },
			timeout: -1,
			want:    want{outcome: outcome.Failed, says: []string{"the server is away"}},
		},
		"server hangs at the write": {
			prepare: func(p *play) {
				p.faults(nil, once("patch pvc", func() error { time.Sleep(writeLimit); return context.DeadlineExceeded }))
			},
			want:   want{outcome: outcome.OK, trigger: mine},
			writes: 1,
		},
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
