package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// Once a trigger is fired, only the claim can end the freeze badly.
func TestAwaitCompletedBears(t *testing.T) {
	mine := waitingTrigger(t)
	taken := func(p *play) { p.takes() }
	for name, c := range map[string]struct{ prepare, events func(*play) }{
		"a refusal of the claim that passes": {taken, func(p *play) {
			p.faults(always(forbidden, "get pvc"), nil)
			p.annotate("example.com/x", "y")
			after(graceOfRefusal / 2)
			p.completes()
			p.faults(nil, nil)
		}},
		"a copy that cannot be read for a moment": {func(p *play) {
			p.takes()
			p.faults(always(away, "get copy", "watch copy"), nil)
		}, func(p *play) { p.completes(); after(proofLimit / 2); p.faults(nil, nil); after(proofLimit / 2) }},
	} {
		t.Run(name, func(t *testing.T) {
			complete(t, freeze, c.prepare, c.events).wants(t, want{outcome: outcome.OK, trigger: mine})
		})
	}
}

// Nobody would record the trigger: the freeze ends before its time.
func TestAwaitCompletedWithoutASource(t *testing.T) {
	p := complete(t, freeze, func(p *play) { p.takes() }, func(p *play) {
		after(time.Second)
		p.change("rs", func() { p.sources = nil })
	})
	p.wants(t, want{outcome.Tainted, []string{"the ReplicationSource was deleted"}, "do not use", "before"})
	if p.took >= freeze {
		t.Errorf("took %s, the whole time of the freeze", p.took)
	}
}

// What an earlier attempt has set is not called unfired because something else cannot be read.
func TestFireTriggerSetAlreadyNeedsTheClaimAlone(t *testing.T) {
	mine := waitingTrigger(t)
	p := fire(t, 30*time.Second, func(p *play) {
		p.annotate(handshake.TriggerAnnotation, mine)
		p.faults(always(forbidden, "list rs"), nil)
	}, nil)
	p.wants(t, want{outcome: outcome.OK, trigger: mine})
	if n := p.count("patch pvc"); n != 0 {
		t.Errorf("wrote %d times", n)
	}
}
