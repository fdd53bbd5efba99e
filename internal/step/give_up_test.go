package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

func TestAwaitCompletedGivesUp(t *testing.T) {
	mine := waitingTrigger(t)
	taken := func(p *play) { p.takes() }
	for name, c := range map[string]struct {
		prepare, events func(*play)
		want            want
		took            time.Duration
	}{
		"nobody reacts": {nil, nil, want{outcome.Withdrawn,
			[]string{"VolSync did not react to the trigger within 1m0s", "while waiting: VolSync has not taken the trigger", "taken back before VolSync took it"}, "", "before"}, ack},
		"timeout in the copy": {taken, nil, want{outcome.Tainted,
			[]string{"timed out after 10m0s while waiting: VolSync is copying", "may have copied already"}, "do not use", "before"}, freeze},
		"signal before": {nil, func(p *play) { after(time.Second); p.signal() }, want{outcome.Withdrawn,
			[]string{"stopped by SIGTERM", "taken back before VolSync took it"}, "", "before"}, time.Second},
		"signal in the copy": {taken, func(p *play) { after(time.Second); p.signal() }, want{outcome.Tainted,
			[]string{"stopped by SIGTERM", "may have copied already"}, "do not use", "before"}, time.Second},
		"signal, and VolSync is quicker": {nil, func(p *play) {
			p.faults(once("patch pvc", func() error { p.takes(); return nil }), nil)
			p.signal()
		}, want{outcome.Tainted, []string{"may have copied already"}, "do not use", "before"}, 0},
		"signal, reply lost": {nil, func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))); p.signal() },
			want{outcome.Withdrawn, []string{"stopped by SIGTERM", "was taken back before VolSync took it"}, "", "before"}, -1},
		"signal in the copy, reply lost": {taken, func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))); p.signal() },
			want{outcome.Tainted, []string{"stopped by SIGTERM", "may have copied already"}, "do not use", "before"}, -1},
		"replaced": {nil, func(p *play) { p.annotate(handshake.TriggerAnnotation, "else") }, want{outcome.Tainted,
			[]string{`somebody replaced the trigger by "else"`}, "one run at a time", "else"}, 0},
		"somebody else's copy": {nil, func(p *play) {
			p.annotate(handshake.TriggerAnnotation, "else", handshake.LatestAnnotation, "else", handshake.StatusAnnotation, handshake.StatusCompleted)
		}, want{outcome.Unverified, []string{`VolSync recorded a copy for "else"`}, "do not rely", "else"}, 0},
		"taken back by somebody": {nil, func(p *play) { p.annotate(handshake.TriggerAnnotation, "before") }, want{outcome.Withdrawn,
			[]string{"somebody took the trigger back"}, "run await-waiting again", "before"}, 0},
		"taken back in the copy": {taken, func(p *play) { p.annotate(handshake.TriggerAnnotation, "before") }, want{outcome.Tainted,
			[]string{"somebody took the trigger back while VolSync was copying"}, "do not use", "before"}, 0},
		"use annotation removed": {nil, func(p *play) { p.annotate(handshake.UseAnnotation, "") }, want{outcome.Tainted,
			[]string{"somebody removed volsync.backube/use-copy-trigger"}, "put the annotation back", "before"}, 0},
		"claim made again": {taken, func(p *play) { p.change("pvc", func() { again := *p.claim; again.UID = "claim-2"; p.claim = &again }) },
			want{outcome.Unverified, []string{"deleted and created again"}, "do not rely", "before"}, 0},
		"claim deleted": {taken, func(p *play) { p.change("pvc", func() { p.claim = nil }) },
			want{outcome.Tainted, []string{"PVC app/data: it was deleted, and its trigger with it"}, "do not rely", ""}, 0},
		"never fired": {func(p *play) { p.annotate(handshake.TriggerAnnotation, "") }, nil,
			want{outcome.Refused, []string{"neither set nor recorded"}, "run fire-trigger first", ""}, 0},
		"no such claim": {func(p *play) { p.claim = nil }, nil, want{outcome.Refused, []string{"PVC app/data is not there"}, "check --pvc", ""}, 0},
		"server gone": {taken, func(p *play) { p.faults(always(away), nil) }, want{outcome.Tainted,
			[]string{"timed out after 10m0s", "cannot make sure that no trigger of run run-1 stays armed", "the server is away"}, "copytrigger disarm", mine}, freeze + giveBackLimit},
		"permission taken away": {taken, func(p *play) {
			p.faults(always(forbidden, "get pvc", "patch pvc"), nil)
			p.annotate("example.com/x", "y")
		}, want{outcome.Tainted,
			[]string{"not yours", "cannot make sure"}, `grant the verb "get"`, mine}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			p := complete(t, freeze, c.prepare, c.events)
			p.wants(t, c.want)
			if p.took != c.took && c.took >= 0 {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
			if got := p.result.(Copied); got != (Copied{}) {
				t.Errorf("got the copy %+v, want none", got)
			}
		})
	}
}

// What the surrender itself has seen counts, too, when its first write comes to nothing.
func TestSurrenderRemembers(t *testing.T) {
	p := complete(t, freeze, func(p *play) {
		p.signal() // before await-completed has looked at all
		p.faults(once("patch pvc", func() error {
			p.takes()
			p.annotate(handshake.TriggerAnnotation, "before")
			p.change("copy", func() { p.copied = nil })
			p.waits("2000-01-01T01:00:00Z")
			return away
		}), nil)
	}, nil)
	p.wants(t, want{outcome.Unverified, []string{"SIGTERM", "VolSync waits again"}, "do not rely", "before"})
}
