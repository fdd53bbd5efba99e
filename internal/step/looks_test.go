package step

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// One look is enough where VolSync waits: the copy is watched before it is looked at, and the lock
// is decided about as the claim was seen.
func TestAwaitWaitingLooksOnce(t *testing.T) {
	p := on(t, nil, awaitWaiting(time.Hour), nil)
	p.wants(t, want{outcome: outcome.OK})
	slices.Sort(p.requests[1:3]) // these watches are opened side by side
	want := []string{"try pvc", "watch pvc", "watch rs", "get pvc", "list rs", "watch copy", "get copy", "patch pvc"}
	if !slices.Equal(p.requests, want) {
		t.Errorf("it asked %q, want %q", p.requests, want)
	}
}

// In the freeze nobody waits until the API server's cache is up to date.
func TestLooksInTheFreeze(t *testing.T) {
	completes := func(p *play) { p.takes(); p.completes() }
	set := func(p *play) {
		trigger := p.made()
		lockedFor(run)(p)
		p.annotate(handshake.TriggerAnnotation, trigger.String())
	}
	await := func(untilCut bool) func(ctx context.Context, s Step) (any, error) {
		return func(ctx context.Context, s Step) (any, error) {
			trigger := (&play{cluster: s.Claims.(*cluster)}).made()
			return Group{s}.AwaitCompleted(ctx, AwaitCompletedOptions{
				Trigger: trigger, UntilCut: untilCut, Timeout: time.Hour, Ack: time.Hour,
			})
		}
	}
	for name, c := range map[string]struct {
		prepare, events func(*play)
		do              func(context.Context, Step) (any, error)
	}{
		"fire-trigger": {prepare: lockedFor(run), do: func(ctx context.Context, s Step) (any, error) {
			return Group{s}.FireTrigger(ctx, FireTriggerOptions{
				Trigger: (&play{cluster: s.Claims.(*cluster)}).made(), Timeout: time.Hour,
			})
		}},
		"await-completed":     {prepare: set, do: await(false), events: completes},
		"await-completed cut": {prepare: set, do: await(true), events: completes},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, c.do, c.events)
			if p.err != nil {
				t.Fatal(p.err)
			}
			if lists := p.count("list rs"); lists == 0 || lists != p.notOlder {
				t.Errorf("%d lists, of which %d did not have to be up to date", lists, p.notOlder)
			}
		})
	}
}

// Before the freeze nothing is decided about what may be old.
func TestLooksBeforeTheFreeze(t *testing.T) {
	p := on(t, nil, awaitWaiting(time.Hour), nil)
	if p.notOlder != 0 {
		t.Errorf("%d lists did not have to be up to date", p.notOlder)
	}
}

// A change of one claim is a look at that claim, and the look before the locks is at all of them.
func TestGroupLooksAtWhatHasChanged(t *testing.T) {
	p := together(t, nil, func(p *groupPlay) { p.second().idles() }, groupAwaitWaiting(time.Hour), func(p *groupPlay) {
		before := p.count("get pvc")
		for range 5 {
			after(time.Second)
			p.second().change("rs", func() {})
		}
		after(time.Second)
		if got := p.count("get pvc") - before; got != 0 {
			t.Errorf("%d looks at a claim that has not changed", got)
		}
		if got := p.second().count("get pvc"); got < 6 {
			t.Errorf("%d looks at a claim that has changed five times", got)
		}
		p.second().syncs("2000-01-01T00:01:00Z", "2000-01-01T00:01:00Z")
		after(time.Second)
		if got := p.count("get pvc") - before; got == 0 {
			t.Error("no look at all claims before the locks")
		}
	})
	p.wants(t, left{outcome: outcome.OK, lock: held})
}

// A watch may say nothing: what was seen of a claim before is not what it is locked for.
func TestGroupLocksForWhatAllAreAtTheSameTime(t *testing.T) {
	p := together(t, nil, func(p *groupPlay) { p.second().idles() }, groupAwaitWaiting(time.Minute/4), func(p *groupPlay) {
		after(time.Second)
		p.mu.Lock()
		p.silent = true
		p.mu.Unlock()
		p.idles()
		p.second().syncs("2000-01-01T00:01:00Z", "2000-01-01T00:01:00Z")
	})
	p.wants(t, left{outcome: outcome.TimedOut, says: []string{"PVC app/data: ReplicationSource rs has no sync running"}})
}

// However many claims a group has, the ReplicationSources are listed once a look.
func TestListsOnceForTheGroup(t *testing.T) {
	each := func(do func(*play)) func(*groupPlay) {
		return func(p *groupPlay) {
			for _, c := range p.all {
				do(&play{cluster: c})
			}
		}
	}
	var trigger handshake.Trigger
	for step, c := range map[string]struct {
		prepare, events func(*groupPlay)
		do              func(context.Context, *groupPlay, Group) (any, error)
	}{
		"await-synced": {prepare: func(p *groupPlay) {
			trigger = p.made()
			p.set(name, wal, "logs")
			each(func(p *play) { p.takes(); p.completes(); p.ends("Successful") })(p)
		}, do: func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
			return g.AwaitSynced(ctx, AwaitSyncedOptions{Trigger: trigger, Timeout: time.Hour})
		}},
		"start-sync": {prepare: each(idle("")), events: each((*play).begins),
			do: func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
				return g.StartSync(ctx, StartSyncOptions{Run: run, Timeout: 5 * time.Minute})
			}},
		"unlock": {do: func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
			return nil, g.Unlock(ctx, UnlockOptions{Run: run, Timeout: time.Minute})
		}},
	} {
		t.Run(step, func(t *testing.T) {
			p := together(t, []string{"logs"}, c.prepare, c.do, c.events)
			if p.err != nil {
				t.Fatal(p.err)
			}
			first := p.all[0]
			if lists, looks := first.count("list rs"), first.count("get pvc"); lists == 0 || lists > looks {
				t.Errorf("%d lists in %d looks\n%q", lists, looks, first.requests)
			}
		})
	}
}

// The writes of a run are tried once, with a sync to start before it, too.
func TestTriesOnce(t *testing.T) {
	for _, start := range []bool{false, true} {
		prepare, events := func(*play) {}, func(*play) {}
		if start {
			prepare = idle("")
			events = func(p *play) {
				p.begins()
				p.annotate(handshake.StatusAnnotation, handshake.StatusWaiting, handshake.SinceAnnotation, "then")
			}
		}
		p := on(t, prepare, func(ctx context.Context, s Step) (any, error) {
			return Group{s}.AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, Start: start, Timeout: time.Hour})
		}, events)
		if n := p.count("try pvc"); p.err != nil || n != 1 {
			t.Errorf("start %t: %d tries, %v", start, n, p.err)
		}
	}
}
