package step

import (
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// A record that no copy proves is no success, and does not hold up the application.
func TestAwaitCompletedAsksForTheCopy(t *testing.T) {
	mine := waitingTrigger(t)
	second := handshake.Source{
		Name: "weekly", UID: "rs-2", Mover: "restic", Method: "Snapshot", SyncStart: "2000-01-01T00:00:05Z",
	}
	for name, c := range map[string]struct {
		prepare, events func(*play)
		says            string
	}{
		"an echo without any copy": {nil, func(p *play) { after(time.Second); p.records() }, "there is no copy"},
		"before it began":          {func(p *play) { p.records() }, nil, "there is no copy"},
		"a copy that is not cut": {nil, func(p *play) { p.takes(); after(time.Second); p.records() },
			"volsync-rs-src is not bound"},
		"another source's record": {nil, func(p *play) {
			p.takes()
			p.change("rs", func() { p.sources = append(p.sources, second) })
			after(time.Second)
			p.records()
		}, "2 ReplicationSources copy the claim: rs, weekly"},
		"another source in its place": {nil, func(p *play) {
			p.takes()
			p.change("rs", func() { p.sources = []handshake.Source{second} })
			p.change("copy", func() { p.copied.Owner = "rs-2" })
			after(time.Second)
			p.completes()
		}, "ReplicationSource weekly neither runs nor has just ended the sync"},
		"another owner's copy": {nil, func(p *play) {
			p.takes()
			p.change("copy", func() { p.copied.Owner = "else" })
			after(time.Second)
			p.completes()
		}, "volsync-rs-src is not VolSync's copy"},
		"no right to the ReplicationSources any more": {func(p *play) {
			p.takes()
			p.faults(always(forbidden, "list rs", "watch rs"), nil)
		}, func(p *play) { after(time.Second); p.completes() }, "its copy cannot be looked at: list replicationsources"},
		"no right to the copy, and it came late": {func(p *play) {
			p.takes()
			p.completes()
			p.faults(always(forbidden, "get copy", "watch copy"), nil)
		}, nil, "its copy cannot be looked at: get volumesnapshots"},
		"a copy that cannot be read": {func(p *play) {
			p.takes()
			p.faults(always(away, "get copy", "watch copy"), nil)
		}, func(p *play) { after(time.Second); p.completes() }, "its copy cannot be looked at: get volumesnapshots"},
	} {
		t.Run(name, func(t *testing.T) {
			p := complete(t, freeze, c.prepare, c.events)
			p.wants(t, want{outcome.Unverified, []string{"PVC app/data: VolSync recorded the trigger, but " + c.says},
				"do not rely", mine})
			if p.took > time.Second+proofLimit {
				t.Errorf("held the application up for %s", p.took)
			}
			if n := p.count("patch pvc"); n != 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// In the last moment, too.
func TestAwaitCompletedAsksForTheCopyInTheLastMoment(t *testing.T) {
	p := complete(t, freeze, nil, func(p *play) {
		p.takes()
		after(freeze - time.Second)
		p.faults(once("get pvc", func() error { p.records(); return nil }), nil)
	})
	p.wants(t, want{outcome.Unverified, []string{"VolSync recorded the trigger, but"}, "do not rely", waitingTrigger(t)})
}

// A sync that is over before anybody looks is told by the source's own status.
func TestAwaitCompletedAfterTheSync(t *testing.T) {
	mine := waitingTrigger(t)
	for name, c := range map[string]struct {
		last string // when the last sync began that has ended
		want outcome.Outcome
	}{
		"it has ended":          {"2000-01-01T00:00:00Z", outcome.OK},
		"none has":              {"", outcome.Unverified},
		"one before it has":     {"1999-12-31T00:00:00Z", outcome.Unverified},
		"it is not known which": {"2000-01-01T00:00:01Z", outcome.Unverified},
	} {
		t.Run(name, func(t *testing.T) {
			p := complete(t, freeze, func(p *play) {
				p.takes()
				p.completes()
				p.copied = nil
				p.sources[0].SyncStart, p.sources[0].LastSyncStart = "2000-01-01T01:00:00Z", c.last
				p.waits("2000-01-01T01:00:01Z")
			}, nil)
			if got := p.outcome(); got != c.want || p.trigger() != mine {
				t.Errorf("got %s (%v), left %q", got, p.err, p.trigger())
			}
		})
	}
}

// A proof that was seen before the record costs no request after it.
func TestProofCostsNoRequest(t *testing.T) {
	p := complete(t, freeze, nil, func(p *play) {
		p.takes()
		p.cuts("2000-01-01T00:00:05Z")
		after(time.Second)
		p.faults(always(away, "list rs", "get copy"), nil)
		p.records()
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	if p.took != time.Second {
		t.Errorf("took %s", p.took)
	}
}
