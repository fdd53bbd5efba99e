package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// clusters is an API server with several claims of one namespace: a cluster each, in the order of
// the claims' names. What goes wrong does so on one of them.
type clusters []*cluster

func (cs clusters) of(claim string) *cluster {
	i := slices.IndexFunc(cs, func(c *cluster) bool { return c.name == claim })
	return cs[i]
}

func (cs clusters) Get(ctx context.Context, n string) (pvc.Claim, error) { return cs.of(n).Get(ctx, n) }

func (cs clusters) MayAnnotate(ctx context.Context, n string, values map[string]string) (pvc.Claim, error) {
	return cs.of(n).MayAnnotate(ctx, n, values)
}

func (cs clusters) Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (pvc.Claim, error) {
	return cs.of(was.Name).Annotate(ctx, was, values)
}

func (cs clusters) Follow(ctx context.Context, n string, changed func(), trouble kube.Trouble) error {
	return cs.of(n).Follow(ctx, n, changed, trouble)
}

func (cs clusters) Sources(ctx context.Context, n string) ([]handshake.Source, error) {
	return cs.of(n).Sources(ctx, n)
}

func (cs clusters) FollowSources(ctx context.Context, changed func(), trouble kube.Trouble) error {
	ends := make(chan error, len(cs))
	for _, c := range cs {
		go func() { ends <- c.FollowSources(ctx, changed, trouble) }()
	}
	var first error
	for range cs {
		first = errors.Join(first, <-ends)
	}
	return first
}

func (cs clusters) Copy(ctx context.Context, s handshake.Source) (*handshake.Copy, error) {
	return cs.of(s.Claim).Copy(ctx, s)
}

func (cs clusters) FollowCopy(ctx context.Context, s handshake.Source, changed func(), trouble kube.Trouble) error {
	return cs.of(s.Claim).FollowCopy(ctx, s, changed, trouble)
}

// groupPlay is a play whose step is about several claims: that of every play, "data", and others.
type groupPlay struct {
	*play
	all    clusters
	result any
}

const wal = "wal"

// second is the claim "wal".
func (p *groupPlay) second() *cluster { return p.all.of(wal) }

// made is the trigger that await-waiting would have made for the group as it stands.
func (p *groupPlay) made() handshake.Trigger {
	var waits []handshake.Wait
	for _, c := range p.all {
		s, a := c.sources[0], c.claim.Annotations
		waits = append(waits, handshake.Wait{ClaimUID: c.claim.UID, SourceUID: s.UID, SyncStart: s.SyncStart,
			Since: a[handshake.SinceAnnotation], Latest: a[handshake.LatestAnnotation]})
	}
	return handshake.NewTrigger(run, waits...)
}

// locked is a group that a run has locked.
func (p *groupPlay) locked(by string) {
	for _, c := range p.all {
		c.annotate(handshake.LockAnnotation, lockValue(by))
	}
}

// set is the group with the trigger in its place on these claims.
func (p *groupPlay) set(claims ...string) {
	trigger := p.made().String()
	for _, claim := range claims {
		p.all.of(claim).annotate(handshake.TriggerAnnotation, trigger)
	}
}

// together runs a step on the claims "data" and "wal", and more.
func together(
	t *testing.T, more []string, prepare func(*groupPlay), do func(context.Context, *groupPlay, Group) (any, error),
	events func(*groupPlay),
) *groupPlay {
	t.Helper()
	g := &groupPlay{}
	g.play = on(t, func(p *play) {
		g.play = p
		g.all = clusters{p.cluster}
		for i, claim := range append([]string{wal}, more...) {
			c := waiting(t)
			c.name, c.claim.Name, c.claim.UID = claim, claim, fmt.Sprintf("claim-%d", i+2)
			c.sources[0].Name, c.sources[0].UID = "rs-"+claim, fmt.Sprintf("rs-%d", i+2)
			g.all = append(g.all, c)
		}
		slices.SortFunc(g.all, func(a, b *cluster) int { return strings.Compare(a.name, b.name) })
		p.step.Claim, p.step.Claims, p.step.VolSync = "", g.all, g.all
		for _, c := range g.all {
			c.sources[0].Claim = c.name
			p.step.Group = append(p.step.Group, c.name)
		}
		if prepare != nil {
			prepare(g)
		}
	}, func(ctx context.Context, s Step) (_ any, err error) {
		g.result, err = do(ctx, g, s.Members())
		return nil, err
	}, func(*play) {
		if events != nil {
			events(g)
		}
	})
	for _, c := range g.all {
		if n := len(c.watchers); n != 0 {
			t.Errorf("%d watches of claim %s are left", n, c.name)
		}
	}
	return g
}

// left is how a group should be left.
type left struct {
	outcome   outcome.Outcome
	says      []string // parts of the message
	saysNot   string
	data, wal string // their triggers
	lock      string // of each claim; "=" is not asked
}

func (p *groupPlay) wants(t *testing.T, w left) {
	t.Helper()
	got := p.outcome()
	if got != w.outcome {
		t.Errorf("got outcome %s (%v), want %s\n%s", got, p.err, w.outcome, &p.log.b)
	}
	says := fmt.Sprint(p.err)
	for _, part := range w.says {
		if !strings.Contains(says, part) {
			t.Errorf("got message %q, which does not say %q", says, part)
		}
	}
	if w.saysNot != "" && strings.Contains(says, w.saysNot) {
		t.Errorf("got message %q, which says %q", says, w.saysNot)
	}
	for claim, want := range map[string]string{name: w.data, wal: w.wal} {
		if got := p.all.of(claim).trigger(); got != want {
			t.Errorf("claim %s: left copy-trigger %q, want %q", claim, got, want)
		}
	}
	for _, c := range p.all {
		l := handshake.ParseLock(c.get(handshake.LockAnnotation))
		if got := (handshake.Lock{Run: l.Run, State: l.State}).String(); w.lock != "=" && got != w.lock {
			t.Errorf("claim %s: left locked by %q, want %q", c.name, got, w.lock)
		}
	}
}

func groupAwaitWaiting(timeout time.Duration) func(context.Context, *groupPlay, Group) (any, error) {
	return func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, Timeout: timeout})
	}
}

const held = run + "/held"

func (c *cluster) idles() { c.change("rs", func() { c.sources[0].SyncStart = "" }) }
func (c *cluster) syncs(start, since string) {
	c.change("rs", func() { c.sources[0].SyncStart = start })
	c.waits(since)
}

// await-waiting is content when all wait at the same time, not when each has waited once.
func TestGroupAwaitWaitingOfAllAtOnce(t *testing.T) {
	var trigger handshake.Trigger
	p := together(t, nil, func(p *groupPlay) { p.second().idles() }, groupAwaitWaiting(time.Hour), func(p *groupPlay) {
		after(time.Minute)
		if !p.log.has("PVC app/wal: ReplicationSource rs-wal has no sync running") || p.log.has("pvc=data") || p.log.has("PVC app/data: ") {
			t.Errorf("it does not say that it waits for wal alone:\n%s", &p.log.b)
		}
		p.idles()
		p.second().syncs("2000-01-01T00:01:00Z", "2000-01-01T00:01:00Z")
		after(time.Minute)
		if got := p.get(handshake.LockAnnotation) + p.second().get(handshake.LockAnnotation); got != "" {
			t.Errorf("locked by %q before all wait", got)
		}
		p.syncs("2000-01-01T00:02:00Z", "2000-01-01T00:02:00Z")
		trigger = p.made()
	})
	p.wants(t, left{outcome: outcome.OK, lock: held})
	if p.took != 2*time.Minute {
		t.Errorf("took %s", p.took)
	}
	got := p.result.(Waiting)
	want := []WaitingOn{{name, "2000-01-01T00:02:00Z", "rs"}, {wal, "2000-01-01T00:01:00Z", "rs-wal"}}
	if got.Trigger != trigger || !slices.Equal(got.Members, want) {
		t.Errorf("got %+v, want %s and %+v", got, trigger, want)
	}
}

func TestGroupAwaitWaitingThatEndsBadly(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*groupPlay)
		events  func(*groupPlay)
		once    bool
		want    left
	}{
		"one never waits": {prepare: func(p *groupPlay) { p.second().idles() },
			want: left{outcome: outcome.TimedOut, says: []string{"PVC app/wal: ReplicationSource rs-wal has no sync running"}, saysNot: "app/data: "}},
		"one does not wait at the only look": {prepare: func(p *groupPlay) { p.second().idles() }, once: true,
			want: left{outcome: outcome.TimedOut, says: []string{"PVC app/wal: ReplicationSource rs-wal has no sync running"}, saysNot: "app/data: "}},
		"one is armed": {prepare: func(p *groupPlay) { p.second().annotate(handshake.TriggerAnnotation, "else") },
			want: left{outcome: outcome.Refused, says: []string{"PVC app/wal: it is armed"}, saysNot: "app/data: ", wal: "else"}},
		"one is not there": {prepare: func(p *groupPlay) { p.second().claim = nil },
			want: left{outcome: outcome.Refused, says: []string{"PVC app/wal is not there"}, saysNot: "app/data: "}},
		"one is deleted while it waits": {prepare: func(p *groupPlay) { p.second().idles() },
			events: func(p *groupPlay) { p.second().change("pvc", func() { p.second().claim = nil }) },
			want:   left{outcome: outcome.Refused, says: []string{"PVC app/wal is not there"}}},
		"one may not be written": {prepare: func(p *groupPlay) { p.second().faults(always(forbidden, "try pvc"), nil) },
			want: left{outcome: outcome.Refused, says: []string{"not yours"}}},
		"one is locked by another": {prepare: func(p *groupPlay) { p.second().annotate(handshake.LockAnnotation, lockValue("other")) },
			want: left{outcome: outcome.Refused, says: []string{"PVC app/wal: run other has locked"}, lock: "="}},
		"one is locked by another just now": {prepare: func(p *groupPlay) {
			p.second().faults(once("patch pvc", func() error {
				if p.get(handshake.LockAnnotation) == "" {
					t.Error("wal is locked before data")
				}
				p.second().annotate(handshake.LockAnnotation, lockValue("other"))
				return nil
			}), nil)
		}, want: left{outcome: outcome.Refused, says: []string{"PVC app/wal: run other has locked"}, lock: "="}},
		"the lock of the second is refused": {prepare: func(p *groupPlay) {
			p.second().faults(always(forbidden, "patch pvc"), nil)
		}, want: left{outcome: outcome.Refused, says: []string{"not yours"}}},
		"the reply to the lock of the second is lost for good": {prepare: func(p *groupPlay) {
			p.second().faults(nil, once("patch pvc", func() error {
				p.second().faults(always(away), nil)
				time.AfterFunc(time.Hour+time.Second, func() { p.second().faults(nil, nil) })
				return away
			}))
		}, want: left{outcome: outcome.TimedOut}},
		"a signal between the locks": {prepare: func(p *groupPlay) {
			p.second().faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
		}, want: left{outcome: outcome.Signalled}},
		"a signal at the first lock": {prepare: func(p *groupPlay) {
			p.faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
		}, want: left{outcome: outcome.Signalled}},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Hour
			if c.once {
				timeout = 0
			}
			p := together(t, nil, c.prepare, groupAwaitWaiting(timeout), c.events)
			p.wants(t, c.want)
			if l := handshake.ParseLock(p.get(handshake.LockAnnotation)); l.State != handshake.Free {
				t.Errorf("data is left locked by %s", l)
			}
			if got := p.result.(Waiting); got.Trigger != (handshake.Trigger{}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Where the last member is only in the way of a cleanup that ends, what is locked is given back,
// and the wait goes on.
func TestGroupAwaitWaitingGivesLocksBackMeanwhile(t *testing.T) {
	p := together(t, nil, func(p *groupPlay) {
		p.second().faults(once("patch pvc", func() error {
			p.second().annotate(handshake.LockAnnotation, "other/cleanup/x")
			return nil
		}), nil)
	}, groupAwaitWaiting(time.Hour), func(p *groupPlay) {
		after(time.Minute)
		if l := p.get(handshake.LockAnnotation); l != "" {
			t.Errorf("data is locked by %q meanwhile", l)
		}
		p.second().annotate(handshake.LockAnnotation, "")
	})
	p.wants(t, left{outcome: outcome.OK, lock: held})
}
