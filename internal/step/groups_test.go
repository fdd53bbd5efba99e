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

func (cs clusters) List(ctx context.Context, selector string) ([]pvc.Claim, error) {
	var all []pvc.Claim
	for _, c := range cs {
		some, err := c.List(ctx, selector)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (cs clusters) MayAnnotate(ctx context.Context, n string, values map[string]string) (pvc.Claim, error) {
	return cs.of(n).MayAnnotate(ctx, n, values)
}

func (cs clusters) Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (pvc.Claim, error) {
	return cs.of(was.Name).Annotate(ctx, was, values)
}

func (cs clusters) Follow(ctx context.Context, n string, changed func(), trouble kube.Trouble) error {
	return cs.of(n).Follow(ctx, n, changed, trouble)
}

func (cs clusters) Sources(ctx context.Context) (all []handshake.Source, err error) {
	for _, c := range cs {
		got, oneErr := c.Sources(ctx)
		all, err = append(all, got...), errors.Join(err, oneErr)
	}
	return all, err
}

func (cs clusters) SetManual(ctx context.Context, to handshake.Source) (handshake.Source, error) {
	for _, c := range cs {
		c.mu.Lock()
		is := slices.ContainsFunc(c.sources, func(s handshake.Source) bool { return s.UID == to.UID })
		c.mu.Unlock()
		if is {
			return c.SetManual(ctx, to)
		}
	}
	return handshake.Source{}, errors.New("no such ReplicationSource")
}

func (cs clusters) SourcesNotOlder(ctx context.Context) (all []handshake.Source, err error) {
	for _, c := range cs {
		got, oneErr := c.SourcesNotOlder(ctx)
		all, err = append(all, got...), errors.Join(err, oneErr)
	}
	return all, err
}

func (cs clusters) FollowSources(ctx context.Context, changed func(string), trouble kube.Trouble) error {
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
		c.mu.Lock()
		s, a := c.sources[0], c.claim.Annotations
		waits = append(waits, handshake.Wait{ClaimUID: c.claim.UID, SourceUID: s.UID, SyncStart: s.SyncStart,
			Since: a[handshake.SinceAnnotation], Latest: a[handshake.LatestAnnotation]})
		c.mu.Unlock()
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
	p := together(t, nil, func(p *groupPlay) {
		p.second().idles()
		p.second().sources[0].NextSync = "2000-01-01T00:01:00Z"
	}, groupAwaitWaiting(time.Hour), func(p *groupPlay) {
		after(time.Minute)
		const idle = "PVC app/wal: ReplicationSource rs-wal has no sync running; the next is due at 2000-01-01T00:01:00Z"
		if !p.log.has(idle) || p.log.has("pvc=data") || p.log.has("PVC app/data: ") {
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
		"one never waits": {
			prepare: func(p *groupPlay) { p.second().idles() },
			want: left{
				outcome: outcome.TimedOut,
				says:    []string{"PVC app/wal: ReplicationSource rs-wal has no sync running"},
				saysNot: "app/data: ",
			},
		},
		"one does not wait at the only look": {
			prepare: func(p *groupPlay) { p.second().idles() },
			once:    true,
			want: left{
				outcome: outcome.TimedOut,
				says:    []string{"PVC app/wal: ReplicationSource rs-wal has no sync running"},
				saysNot: "app/data: ",
			},
		},
		"one is armed": {
			prepare: func(p *groupPlay) { p.second().annotate(handshake.TriggerAnnotation, "else") },
			want: left{
				outcome: outcome.Refused,
				says:    []string{"PVC app/wal: it is armed"},
				saysNot: "app/data: ",
				wal:     "else",
			},
		},
		"one is not there": {
			prepare: func(p *groupPlay) { p.second().claim = nil },
			want:    left{outcome: outcome.Refused, says: []string{"PVC app/wal is not there"}, saysNot: "app/data: "},
		},
		"one is deleted while it waits": {
			prepare: func(p *groupPlay) { p.second().idles() },
			events:  func(p *groupPlay) { p.second().change("pvc", func() { p.second().claim = nil }) },
			want:    left{outcome: outcome.Refused, says: []string{"PVC app/wal is not there"}},
		},
		"one may not be written": {
			prepare: func(p *groupPlay) { p.second().faults(always(forbidden, "try pvc"), nil) },
			want:    left{outcome: outcome.Refused, says: []string{"not yours"}},
		},
		"one is locked by another": {
			prepare: func(p *groupPlay) { p.second().annotate(handshake.LockAnnotation, lockValue("other")) },
			want:    left{outcome: outcome.Refused, says: []string{"PVC app/wal: run other has locked"}, lock: "="},
		},
		"one is locked by another just now": {
			prepare: func(p *groupPlay) {
				p.second().faults(once("patch pvc", func() error {
					if p.get(handshake.LockAnnotation) == "" {
						t.Error("wal is locked before data")
					}
					p.second().annotate(handshake.LockAnnotation, lockValue("other"))
					return nil
				}), nil)
			},
			want: left{outcome: outcome.Refused, says: []string{"PVC app/wal: run other has locked"}, lock: "="},
		},
		"the lock of the second is refused": {
			prepare: func(p *groupPlay) {
				p.second().faults(always(forbidden, "patch pvc"), nil)
			},
			want: left{outcome: outcome.Refused, says: []string{"not yours"}},
		},
		"the reply to the lock of the second is lost for good": {
			prepare: func(p *groupPlay) {
				p.second().faults(nil, once("patch pvc", func() error {
					p.second().faults(always(away), nil)
					time.AfterFunc(time.Hour+time.Second, func() { p.second().faults(nil, nil) })
					return away
				}))
			},
			want: left{outcome: outcome.TimedOut},
		},
		"a signal between the locks": {
			prepare: func(p *groupPlay) {
				p.second().faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
			},
			want: left{outcome: outcome.Signalled},
		},
		"a signal at the first lock": {
			prepare: func(p *groupPlay) {
				p.faults(once("patch pvc", func() error { p.signal(); return nil }), nil)
			},
			want: left{outcome: outcome.Signalled},
		},
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

// groupFire fires the trigger that await-waiting has made at the start. The group is locked.
func groupFire(t *testing.T, prepare, events func(*groupPlay)) *groupPlay {
	var trigger handshake.Trigger
	return together(t, nil, func(p *groupPlay) {
		p.locked(run)
		trigger = p.made()
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.FireTrigger(ctx, FireTriggerOptions{Trigger: trigger, Timeout: 30 * time.Second})
	}, events)
}

// groupTrigger is the trigger for the waits in which every play of a group starts.
func groupTrigger(t *testing.T) string {
	var trigger string
	together(t, nil, func(p *groupPlay) { trigger = p.made().String() },
		func(context.Context, *groupPlay, Group) (any, error) { return nil, nil }, nil)
	return trigger
}

// afterFired does something to the second claim right before it is fired, when the first is.
func (p *groupPlay) afterFired(do func() error) {
	fired := make(chan struct{})
	p.faults(nil, once("patch pvc", func() error { close(fired); return nil }))
	p.second().faults(once("patch pvc", func() error { <-fired; return do() }), nil)
}

func TestGroupFireTrigger(t *testing.T) {
	mine := groupTrigger(t)
	arm := func(p *groupPlay) func() error {
		return func() error { p.second().annotate(handshake.TriggerAnnotation, "else"); return nil }
	}
	for name, c := range map[string]struct {
		prepare func(*groupPlay)
		want    left
		writes  [2]int
		fired   bool
	}{
		"fires all": {
			want:   left{outcome: outcome.OK, data: mine, wal: mine, lock: held},
			writes: [2]int{1, 1},
			fired:  true,
		},
		"all are set": {
			prepare: func(p *groupPlay) { p.set(name, wal) },
			want:    left{outcome: outcome.OK, data: mine, wal: mine, lock: held},
		},
		"all are made": {
			prepare: func(p *groupPlay) { p.set(name, wal); p.takes(); p.completes(); p.second().takes() },
			want:    left{outcome: outcome.OK, data: mine, wal: mine, lock: held},
		},
		"one waits no more": {
			prepare: func(p *groupPlay) { p.second().idles() },
			want: left{
				outcome: outcome.Refused,
				says:    []string{"PVC app/wal: ", "VolSync is not waiting any more"},
				lock:    held,
			},
		},
		"one waits anew": {
			prepare: func(p *groupPlay) { p.second().syncs("2000-01-01T01:00:00Z", "2000-01-01T01:00:00Z") },
			want:    left{outcome: outcome.Refused, says: []string{"other waits, or other claims"}, lock: held},
		},
		"one is copied for somebody else": {
			prepare: func(p *groupPlay) { p.second().takes() },
			want:    left{outcome: outcome.Tainted, says: []string{"PVC app/wal: ", "for somebody else"}, lock: held},
		},
		"one is gone": {
			prepare: func(p *groupPlay) { p.second().claim = nil },
			want:    left{outcome: outcome.Refused, says: []string{"PVC app/wal is not there"}, lock: "="},
		},
		"one is not locked any more": {
			prepare: func(p *groupPlay) { p.second().annotate(handshake.LockAnnotation, "") },
			want:    left{outcome: outcome.Refused, says: []string{"PVC app/wal: ", "lock on the claim is gone"}, lock: "="},
		},
		"armed by somebody after the other was fired": {
			prepare: func(p *groupPlay) { p.afterFired(arm(p)) },
			want: left{
				outcome: outcome.Withdrawn,
				says:    []string{"PVC app/data: ", "PVC app/wal: it is armed"},
				data:    "before", wal: "else", lock: "=",
			},
			writes: [2]int{2, 1},
		},
		"armed by somebody after the other was taken": {
			prepare: func(p *groupPlay) {
				p.afterFired(func() error { p.takes(); return arm(p)() })
			},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/data: ", "PVC app/wal: it is armed"},
				data:    "before", wal: "else", lock: "=",
			},
			writes: [2]int{2, 1},
		},
		"armed by somebody after the other was recorded": {
			prepare: func(p *groupPlay) {
				p.afterFired(func() error { p.takes(); p.completes(); return arm(p)() })
			},
			want: left{
				outcome: outcome.Unverified,
				says:    []string{"PVC app/data: VolSync recorded the trigger", "PVC app/wal: it is armed"},
				data:    mine, wal: "else", lock: "=",
			},
			writes: [2]int{1, 1},
		},
		"not allowed on one": {
			prepare: func(p *groupPlay) { p.afterFired(func() error { return forbidden }) },
			want:    left{outcome: outcome.Withdrawn, says: []string{"PVC app/data: ", "not yours"}, data: "before", lock: "="},
			writes:  [2]int{2, 1},
		},
		"the server is away for one": {
			prepare: func(p *groupPlay) { p.second().faults(times(3, always(away, "patch pvc")), nil) },
			want:    left{outcome: outcome.OK, data: mine, wal: mine, lock: held},
			writes:  [2]int{1, 4},
			fired:   true,
		},
		"killed between the writes": {
			prepare: func(p *groupPlay) { p.set(name) },
			want: left{
				outcome: outcome.Withdrawn,
				says:    []string{"PVC app/data: ", "an earlier attempt was lost"},
				data:    "before",
				lock:    "=",
			},
			writes: [2]int{1, 0},
		},
		"killed between the writes, and taken": {
			prepare: func(p *groupPlay) { p.set(name); p.takes() },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/data: ", "an earlier attempt was lost"},
				data:    "before",
				lock:    "=",
			},
			writes: [2]int{1, 0},
		},
		"killed between the writes, and recorded": {
			prepare: func(p *groupPlay) { p.set(name); p.takes(); p.completes() },
			want: left{
				outcome: outcome.Unverified,
				says:    []string{"PVC app/data: ", "an earlier attempt was lost"},
				data:    mine,
				lock:    "=",
			},
			writes: [2]int{0, 0},
		},
		"a signal after the first": {
			prepare: func(p *groupPlay) { p.afterFired(func() error { p.signal(); return away }) },
			want:    left{outcome: outcome.Withdrawn, says: []string{"PVC app/data: ", "SIGTERM"}, data: "before", lock: "="},
			writes:  [2]int{2, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := groupFire(t, c.prepare, nil)
			p.wants(t, c.want)
			if got := [2]int{p.count("patch pvc"), p.second().count("patch pvc")}; got != c.writes {
				t.Errorf("wrote %v times, want %v", got, c.writes)
			}
			if at := p.result.(Fired).At; at.IsZero() == c.fired {
				t.Errorf("fired at %s, want a time: %t", at, c.fired)
			}
		})
	}
}

// groupComplete waits for the record of a trigger that is set on every claim of a locked group.
func groupComplete(t *testing.T, cut bool, prepare, events func(*groupPlay)) *groupPlay {
	var trigger handshake.Trigger
	return together(t, nil, func(p *groupPlay) {
		p.locked(run)
		trigger = p.made()
		p.set(name, wal)
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.AwaitCompleted(ctx, AwaitCompletedOptions{Trigger: trigger, UntilCut: cut, Timeout: freeze, Ack: ack})
	}, events)
}

func TestGroupAwaitCompleted(t *testing.T) {
	mine := groupTrigger(t)
	p := groupComplete(t, false, nil, func(p *groupPlay) {
		p.takes()
		p.cuts("2000-01-01T00:00:01Z")
		p.completes()
		after(time.Second)
		p.second().takes()
		p.second().cuts("2000-01-01T00:00:03Z")
		after(time.Second)
		p.second().completes()
	})
	p.wants(t, left{outcome: outcome.OK, data: mine, wal: mine, lock: held})
	want := []Copied{{CutTime: "2000-01-01T00:00:01Z"}, {CutTime: "2000-01-01T00:00:03Z", Took: 2 * time.Second}}
	if got := p.result.([]Copied); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The distance of the cuts is known also where VolSync has recorded a copy before its cut was seen.
func TestGroupAwaitCutOfARecord(t *testing.T) {
	mine := groupTrigger(t)
	p := groupComplete(t, true, func(p *groupPlay) {
		p.second().takes()
		p.second().cuts("2000-01-01T00:00:03Z")
		p.second().completes()
		p.takes()
		p.cuts("2000-01-01T00:00:01Z")
	}, nil)
	p.wants(t, left{outcome: outcome.OK, data: mine, wal: mine, lock: held})
	want := []Copied{{CutTime: "2000-01-01T00:00:01Z", Copy: "copy-1"}, {CutTime: "2000-01-01T00:00:03Z", Copy: Recorded}}
	if got := p.result.([]Copied); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// What ends the wait for one claim gives back the others, and says which one it was.
func TestGroupAwaitCompletedThatEndsBadly(t *testing.T) {
	mine := groupTrigger(t)
	both := func(p *groupPlay) { p.takes(); p.second().takes() }
	done := func(p *groupPlay) { p.takes(); p.completes() }
	lost := run + "/lost"
	for name, c := range map[string]struct {
		cut    bool
		events func(*groupPlay)
		want   left
	}{
		"none is taken": {
			events: func(*groupPlay) {},
			want:   left{outcome: outcome.Withdrawn, says: []string{"did not react"}, data: "before", wal: "before", lock: lost},
		},
		"one is never taken": {
			events: func(p *groupPlay) { p.takes() },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: VolSync did not react", "PVC app/data: claim wal of the group has failed"},
				data:    "before", wal: "before", lock: lost,
			},
		},
		"one is never taken, the other recorded": {
			events: done,
			want: left{
				outcome: outcome.Unverified,
				says: []string{
					"PVC app/wal: VolSync did not react",
					"PVC app/data: VolSync recorded the trigger, but claim wal",
				},
				data: mine, wal: "before", lock: "=",
			},
		},
		"one is never recorded": {
			events: func(p *groupPlay) { both(p); p.completes() },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: timed out"},
				data:    mine, wal: "before", lock: "=",
			},
		},
		"one is deleted": {
			events: func(p *groupPlay) { both(p); p.second().change("pvc", func() { p.second().claim = nil }) },
			want:   left{outcome: outcome.Tainted, says: []string{"PVC app/wal: it was deleted"}, data: "before", lock: "="},
		},
		"one is replaced": {
			events: func(p *groupPlay) {
				both(p)
				p.second().change("pvc", func() { c := *p.second().claim; c.UID = "another"; p.second().claim = &c })
			},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: it was deleted and created again", "PVC app/data: claim wal"},
				data:    "before", wal: "before", lock: lost,
			},
		},
		"somebody replaces the trigger of one": {
			events: func(p *groupPlay) { both(p); p.second().annotate(handshake.TriggerAnnotation, "else") },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: somebody replaced the trigger"},
				data:    "before", wal: "else", lock: lost,
			},
		},
		"somebody takes that of one back": {
			events: func(p *groupPlay) { p.second().annotate(handshake.TriggerAnnotation, "") },
			want: left{
				outcome: outcome.Withdrawn,
				says:    []string{"PVC app/wal: somebody took the trigger back", "PVC app/data: claim wal"},
				data:    "before",
				lock:    lost,
			},
		},
		"the copy of one proves nothing": {
			events: func(p *groupPlay) {
				done(p)
				p.second().takes()
				p.second().change("copy", func() { p.second().copied.Owner = "somebody" })
				p.second().completes()
			},
			want: left{
				outcome: outcome.Unverified,
				says:    []string{"PVC app/wal: VolSync recorded the trigger, but volsync-rs-src is not"},
				data:    mine, wal: mine, lock: "=",
			},
		},
		"the source of one is deleted": {
			events: func(p *groupPlay) { both(p); p.second().change("rs", func() { p.second().sources = nil }) },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: the ReplicationSource was deleted"},
				data:    "before", wal: "before", lock: lost,
			},
		},
		"a signal": {
			events: func(p *groupPlay) { both(p); p.signal() },
			want:   left{outcome: outcome.Tainted, says: []string{"SIGTERM"}, data: "before", wal: "before", lock: lost},
		},
		"one is never cut": {
			cut:    true,
			events: func(p *groupPlay) { both(p); p.cuts("2000-01-01T00:00:01Z") },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: timed out", "PVC app/data: claim wal"},
				data:    "before", wal: "before", lock: lost,
			},
		},
		"one is never cut, the other recorded": {
			cut:    true,
			events: func(p *groupPlay) { both(p); p.completes() },
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: timed out"},
				data:    mine, wal: "before", lock: "=",
			},
		},
		"one is cut, the other recorded in the last moment": {
			cut: true,
			events: func(p *groupPlay) {
				both(p)
				p.cuts("2000-01-01T00:00:01Z")
				p.second().faults(nil, once("patch pvc", func() error { return away }))
				p.completes()
			},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: timed out"},
				data:    mine, wal: "before", lock: "=",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := groupComplete(t, c.cut, nil, func(p *groupPlay) { after(time.Second); c.events(p) })
			p.wants(t, c.want)
			for i, copied := range p.result.([]Copied) {
				if copied != (Copied{}) {
					t.Errorf("got the copy %+v of claim %s", copied, p.all[i].name)
				}
			}
			if !strings.Contains(fmt.Sprint(p.err), "PVC") {
				t.Errorf("%v names no claim", p.err)
			}
		})
	}
}

// Every member is tried, also where another fails.
func TestGroupCleanupStepsTryAll(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*groupPlay)
		do      func(context.Context, *groupPlay, Group) (any, error)
		want    left
	}{
		"disarm": {
			prepare: func(p *groupPlay) { p.set(name, wal); p.faults(always(forbidden, "patch pvc"), nil) },
			do: func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
				return g.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
			},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"A TRIGGER MAY STILL BE ARMED", "PVC app/data: cannot make sure"},
				data:    "=", wal: "before", lock: "=",
			},
		},
		"unlock": {
			prepare: func(p *groupPlay) { p.faults(always(forbidden, "patch pvc"), nil) },
			do: func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
				return nil, g.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
			},
			want: left{outcome: outcome.Refused, says: []string{"not yours"}, lock: "="},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := together(t, nil, func(p *groupPlay) {
				p.locked(run)
				c.prepare(p)
				if c.want.data == "=" {
					c.want.data = p.trigger()
				}
			}, c.do, nil)
			p.wants(t, c.want)
			l := handshake.ParseLock(p.second().get(handshake.LockAnnotation))
			if name == "unlock" && l.State != handshake.Free || name == "disarm" && l.State != handshake.Lost {
				t.Errorf("wal is left locked by %s", l)
			}
			if hint := hintOf(p.err); !strings.Contains(hint, "--pvc data") || strings.Contains(hint, "--pvc wal") {
				t.Errorf("hint %q is not about the claim that is left", hint)
			}
		})
	}
}

func TestGroupCleanup(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*groupPlay)
		let     int
		want    left
	}{
		"a lost run": {
			prepare: func(p *groupPlay) { p.locked(run); p.set(name, wal) },
			let:     1,
			want:    left{outcome: outcome.OK, data: "before", wal: "before"},
		},
		"a run that was lost in its locks": {
			prepare: func(p *groupPlay) { p.annotate(handshake.LockAnnotation, lockValue(run)) },
			let:     1,
			want:    left{outcome: outcome.OK},
		},
		"one is another's": {
			prepare: func(p *groupPlay) {
				p.annotate(handshake.LockAnnotation, lockValue(run))
				p.second().annotate(handshake.LockAnnotation, lockValue("other"))
			},
			want: left{outcome: outcome.Failed, says: []string{"THE CLAIM MAY STAY LOCKED", "PVC app/data"}, lock: "="},
		},
		"the first is another's": {
			prepare: func(p *groupPlay) {
				p.second().annotate(handshake.LockAnnotation, lockValue(run))
				p.annotate(handshake.LockAnnotation, lockValue("other"))
			},
			want: left{outcome: outcome.Failed, says: []string{"THE CLAIM MAY STAY LOCKED", "PVC app/wal"}, lock: "="},
		},
		"one becomes another's before it is let go": {
			prepare: func(p *groupPlay) {
				p.annotate(handshake.LockAnnotation, lockValue(run))
				p.second().faults(second("get pvc", func() error {
					p.second().annotate(handshake.LockAnnotation, lockValue("other"))
					return nil
				}), nil)
			},
			want: left{outcome: outcome.OK, lock: "="},
		},
		"one may not be read": {
			prepare: func(p *groupPlay) { p.locked(run); p.second().faults(always(away), nil) },
			want: left{
				outcome: outcome.Failed,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "is not known"},
				lock:    "=",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &lostApp{}
			p := together(t, nil, func(p *groupPlay) { app.play = p.play; c.prepare(p) },
				func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
					return g.Cleanup(ctx, CleanupOptions{Run: run, App: app, RunEnded: true, Unquiesce: time.Minute})
				}, nil)
			p.wants(t, c.want)
			if len(app.trigger) != c.let {
				t.Errorf("the application was let go %d times, want %d", len(app.trigger), c.let)
			}
			for _, m := range p.all {
				l := handshake.ParseLock(m.get(handshake.LockAnnotation))
				if l.Of(run) && c.want.outcome == outcome.OK {
					t.Errorf("claim %s is left locked by %s", m.name, l)
				}
			}
		})
	}
}

// groupRun does a whole run of the group.
func groupRun(t *testing.T, a *app, prepare, events func(*groupPlay)) *groupPlay {
	return together(t, nil, func(p *groupPlay) {
		a.play, a.lost = p.play, make(chan error, 1)
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, p *groupPlay, g Group) (any, error) {
		return g.Run(ctx, RunOptions{Run: run, App: a, UntilCut: p.untilCut, Limits: runLimits, Times: &p.times})
	}, events)
}

func TestGroupRun(t *testing.T) {
	mine := groupTrigger(t)
	a := &app{}
	p := groupRun(t, a, nil, func(p *groupPlay) {
		p.takes()
		p.second().takes()
		p.cuts("2000-01-01T00:00:01Z")
		after(time.Second)
		p.completes()
		after(time.Second)
		if !a.isFrozen() {
			t.Error("let go when the first was recorded")
		}
		p.second().cuts("2000-01-01T00:00:02Z")
		p.second().completes()
	})
	p.wants(t, left{outcome: outcome.OK, data: mine, wal: mine})
	a.ranOnce(t)
	if took, reached := p.seconds("freeze-seconds"); took != 2 || !reached {
		t.Errorf("frozen for %v s", took)
	}
	want := []Copied{
		{CutTime: "2000-01-01T00:00:01Z", Took: time.Second},
		{CutTime: "2000-01-01T00:00:02Z", Took: 2 * time.Second},
	}
	if got := p.result.(Ran).Copied; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The syncs that a group was fired into are known since: in the freeze nobody waits for a look at them.
func TestGroupRunKnowsItsSyncs(t *testing.T) {
	p := groupRun(t, &app{}, func(p *groupPlay) {
		p.second().faults(nil, second("patch pvc", func() error { // the first is the lock
			p.second().faults(always(away, "list rs"), nil)
			return nil
		}))
	}, func(p *groupPlay) {
		after(time.Second)
		if !p.log.has("waiting: PVC app/wal: ") {
			t.Errorf("it does not wait for the copy:\n%s", &p.log.b)
		}
		p.second().faults(nil, nil)
		p.takes()
		p.second().takes()
		p.completes()
		p.second().completes()
	})
	if got := p.result.(Ran).Fired.Syncs; len(got) != 2 || got[0] == got[1] {
		t.Errorf("got syncs %+v", got)
	}
}

// With until=cut the application runs again when the last claim is cut, and all copies are looked
// at until they are recorded.
func TestGroupRunUntilCut(t *testing.T) {
	mine := groupTrigger(t)
	cut := func(p *groupPlay, a *app) {
		p.takes()
		p.second().takes()
		p.cuts("2000-01-01T00:00:01Z")
		after(time.Second)
		if !a.isFrozen() {
			t.Error("let go when the first was cut")
		}
		p.second().cuts("2000-01-01T00:00:02Z")
		after(time.Second)
		if a.isFrozen() {
			t.Error("still frozen when the last was cut")
		}
	}
	for name, c := range map[string]struct {
		events func(*groupPlay)
		want   left
	}{
		"all are recorded": {
			func(p *groupPlay) { p.completes(); p.second().completes() },
			left{outcome: outcome.OK, data: mine, wal: mine},
		},
		"one is made anew": {
			func(p *groupPlay) {
				p.completes()
				after(time.Second) // it is seen recorded, for its copy
				p.second().change("copy", func() { p.second().copied.UID = "anew" })
			},
			left{
				outcome: outcome.Unverified,
				says: []string{
					"PVC app/wal: the copy that was cut in the freeze is gone",
					"PVC app/data: VolSync recorded the trigger, but claim wal",
				},
				data: mine,
				wal:  "before",
			},
		},
		"one is never recorded": {
			func(p *groupPlay) { p.completes() },
			left{outcome: outcome.Tainted, says: []string{"PVC app/wal: timed out"}, data: mine, wal: "before"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{}
			p := groupRun(t, a, func(p *groupPlay) { p.untilCut = true }, func(p *groupPlay) { cut(p, a); c.events(p) })
			p.wants(t, c.want)
			a.ranOnce(t)
		})
	}
}

func TestGroupRunThatEndsBadly(t *testing.T) {
	for name, c := range map[string]struct {
		cut     bool
		app     *app
		prepare func(*groupPlay, *app)
		events  func(*groupPlay, *app)
		want    left
	}{
		"the hold is lost": {
			events: func(p *groupPlay, a *app) { p.takes(); a.lost <- errors.New("the hold has ended") },
			app:    &app{unquiesce: func(context.Context) error { return fmt.Errorf("lost") }},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"the hold has ended"},
				data:    "before", wal: "before", lock: "=",
			},
		},
		"one is armed while it quiesces": {
			prepare: func(p *groupPlay, a *app) {
				a.quiesce = func(context.Context) error { p.second().annotate(handshake.TriggerAnnotation, "else"); return nil }
			},
			want: left{outcome: outcome.Refused, says: []string{"PVC app/wal: it is armed"}, wal: "else"},
		},
		"one is never cut": {
			cut: true,
			events: func(p *groupPlay, _ *app) {
				p.takes()
				p.second().takes()
				p.cuts("2000-01-01T00:00:01Z")
			},
			want: left{
				outcome: outcome.Tainted,
				says:    []string{"PVC app/wal: ", "PVC app/data: claim wal"},
				data:    "before",
				wal:     "before",
			},
		},
		"an earlier attempt was lost in its locks": {
			prepare: func(p *groupPlay, _ *app) { p.annotate(handshake.LockAnnotation, lockValue(run)) },
			want:    left{outcome: outcome.Tainted, says: []string{"an earlier attempt of this run was lost"}},
		},
		"an earlier attempt was lost in its writes": {
			prepare: func(p *groupPlay, _ *app) { p.locked(run); p.set(wal) },
			want:    left{outcome: outcome.Tainted, says: []string{"an earlier attempt of this run was lost"}, wal: "before"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.app
			if a == nil {
				a = &app{}
			}
			p := groupRun(t, a, func(p *groupPlay) {
				if p.untilCut = c.cut; c.prepare != nil {
					c.prepare(p, a)
				}
			}, func(p *groupPlay) {
				if c.events != nil {
					c.events(p, a)
				}
			})
			p.wants(t, c.want)
			if a.thawed == 0 {
				t.Error("the application was not let go")
			}
		})
	}
}

// What there is to say about fifty claims is not said fifty times, and their hints are one command.
func TestGroupErrorsAreReadable(t *testing.T) {
	var more []string
	for i := range 48 {
		more = append(more, fmt.Sprintf("x-%02d", i))
	}
	p := together(t, more, func(p *groupPlay) {
		p.locked(run)
		for _, c := range p.all {
			c.faults(always(forbidden, "patch pvc"), nil)
		}
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return nil, g.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
	}, nil)
	if got := p.outcome(); got != outcome.Refused {
		t.Errorf("got %s: %v", got, p.err)
	}
	if says := p.err.Error(); !strings.Contains(says, "and 45 more") || strings.Count(says, "not yours") != 5 {
		t.Errorf("says %q", says)
	}
	if hint := hintOf(p.err); strings.Count(hint, "copytrigger unlock") != 1 || strings.Count(hint, "--pvc ") != 50 {
		t.Errorf("hint %q", hint)
	}
}
