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
		"nobody reacts": {
			want: want{
				outcome: outcome.Withdrawn,
				says: []string{
					"VolSync did not react to the trigger within 1m0s",
					"while waiting: VolSync has not taken the trigger",
					"taken back before VolSync took it",
				},
				trigger: "before",
			},
			took: ack,
		},
		"timeout in the copy": {
			prepare: taken,
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"timed out after 10m0s while waiting: VolSync is copying", "may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
			took: freeze,
		},
		"signal before": {
			events: func(p *play) { after(time.Second); p.signal() },
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"stopped by SIGTERM", "taken back before VolSync took it"},
				trigger: "before",
			},
			took: time.Second,
		},
		"signal in the copy": {
			prepare: taken,
			events:  func(p *play) { after(time.Second); p.signal() },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"stopped by SIGTERM", "may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
			took: time.Second,
		},
		"signal, and VolSync is quicker": {
			events: func(p *play) {
				p.faults(once("patch pvc", func() error { p.takes(); return nil }), nil)
				p.signal()
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"signal, reply lost": {
			events: func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))); p.signal() },
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"stopped by SIGTERM", "was taken back before VolSync took it"},
				trigger: "before",
			},
			took: -1,
		},
		"signal in the copy, reply lost": {
			prepare: taken,
			events:  func(p *play) { p.faults(nil, times(1, always(away, "patch pvc"))); p.signal() },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"stopped by SIGTERM", "may have copied already"},
				hint:    "do not use",
				trigger: "before",
			},
			took: -1,
		},
		"replaced": {
			events: func(p *play) { p.annotate(handshake.TriggerAnnotation, "else") },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{`somebody replaced the trigger by "else"`},
				hint:    "one run at a time",
				trigger: "else",
			},
		},
		"somebody else's copy": {
			events: func(p *play) {
				p.annotate(
					handshake.TriggerAnnotation, "else",
					handshake.LatestAnnotation, "else",
					handshake.StatusAnnotation, handshake.StatusCompleted,
				)
			},
			want: want{
				outcome: outcome.Unverified,
				says:    []string{`VolSync recorded a copy for "else"`},
				hint:    "do not rely",
				trigger: "else",
			},
		},
		"taken back by somebody": {
			events: func(p *play) { p.annotate(handshake.TriggerAnnotation, "before") },
			want: want{
				outcome: outcome.Withdrawn,
				says:    []string{"somebody took the trigger back"},
				hint:    "run await-waiting again",
				trigger: "before",
			},
		},
		"taken back in the copy": {
			prepare: taken,
			events:  func(p *play) { p.annotate(handshake.TriggerAnnotation, "before") },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"somebody took the trigger back while VolSync was copying"},
				hint:    "do not use",
				trigger: "before",
			},
		},
		"use annotation removed": {
			events: func(p *play) { p.annotate(handshake.UseAnnotation, "") },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"somebody removed volsync.backube/use-copy-trigger"},
				hint:    "put the annotation back",
				trigger: "before",
			},
		},
		"claim made again": {
			prepare: taken,
			events:  func(p *play) { p.change("pvc", func() { again := *p.claim; again.UID = "claim-2"; p.claim = &again }) },
			want: want{
				outcome: outcome.Unverified,
				says:    []string{"deleted and created again"},
				hint:    "do not rely",
				trigger: "before",
			},
		},
		"claim deleted": {
			prepare: taken,
			events:  func(p *play) { p.change("pvc", func() { p.claim = nil }) },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/data: it was deleted, and its trigger with it"},
				hint:    "do not rely",
			},
		},
		"never fired": {
			prepare: func(p *play) { p.annotate(handshake.TriggerAnnotation, "") },
			want:    want{outcome: outcome.Refused, says: []string{"neither set nor recorded"}, hint: "run fire-trigger first"},
		},
		"no such claim": {
			prepare: func(p *play) { p.claim = nil },
			want:    want{outcome: outcome.Refused, says: []string{"PVC app/data is not there"}, hint: "check --pvc"},
		},
		"server gone": {
			prepare: taken,
			events:  func(p *play) { p.faults(always(away), nil) },
			want: want{
				outcome: outcome.Tainted,
				says: []string{
					"timed out after 10m0s",
					"cannot make sure that no trigger of run run-1 stays armed",
					"the server is away",
				},
				hint:    "copytrigger disarm",
				trigger: mine,
			},
			took: freeze + giveBackLimit,
		},
		"permission taken away": {
			prepare: taken,
			events: func(p *play) {
				p.faults(always(forbidden, "get pvc", "patch pvc"), nil)
				p.annotate("example.com/x", "y")
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"not yours", "cannot make sure"},
				hint:    `grant the verb "get"`,
				trigger: mine,
			},
			took: -1,
		},
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
