package step

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/events"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// eventLog keeps the Events of a step.
type eventLog struct {
	mu  sync.Mutex
	all []events.Event
}

func (l *eventLog) Tell(e events.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

// reasons are those of the Events, sorted: they may be told at the same time.
func (l *eventLog) reasons() (all []string) {
	for _, e := range l.all {
		all = append(all, e.Reason)
	}
	slices.Sort(all)
	return all
}

// wantEnd asserts what the run has left on the claim. Of its reason want has the beginning, and of its end
// nothing: that is now.
func (p *play) wantEnd(t *testing.T, want handshake.LastRun, good string) {
	t.Helper()
	got, known := handshake.ParseLastRun(p.get(handshake.LastRunAnnotation))
	if got.Reason != want.Reason && want.Reason != "" && strings.HasPrefix(got.Reason, want.Reason) {
		got.Reason = want.Reason
	}
	if want.EndedAt = ""; known {
		want.EndedAt = p.start.Add(p.took).UTC().Format(time.RFC3339)
	}
	if got != want || known != (want.Run != "") {
		t.Errorf("last run: got %+v, want %+v", got, want)
	}
	if got := p.get(handshake.LastGoodAnnotation); got != good {
		t.Errorf("last good copy: got %q, want %q", got, good)
	}
	p.wantLock(t, "")
}

func TestRunLeavesHowItEnded(t *testing.T) {
	trigger := waitingTrigger(t)
	copies := func(p *play) {
		after(time.Second)
		p.takes()
		p.cuts("2000-01-01T00:00:06Z")
		after(time.Second)
		p.completes()
	}
	for _, c := range []struct {
		name    string
		prepare func(*play)
		quiesce func(context.Context) error
		limits  Limits
		events  func(*play)
		end     handshake.LastRun
		good    string
		told    []string
	}{
		{
			name: "a good one", events: copies, good: "2000-01-01T00:00:06Z", told: []string{"CopyGood", "Fired"},
			end: handshake.LastRun{Outcome: "ok", Trigger: trigger, CutTime: "2000-01-01T00:00:06Z", FreezeSeconds: 2},
		},
		{
			name: "nobody knows when it was cut", good: "2000-01-01T00:00:00Z", told: []string{"CopyGood", "Fired"},
			events: func(p *play) {
				after(time.Second)
				p.takes()
				p.change("copy", func() {
					p.sources[0].Method, p.copied.Of = "Clone", ""
					p.copied.Bound = true
				})
				p.records()
			},
			prepare: func(p *play) { p.sources[0].Method = "Clone" },
			end:     handshake.LastRun{Outcome: "ok", Trigger: trigger, FreezeSeconds: 1},
		},
		{
			name: "quiesce fails", told: []string{"Failed"},
			end:     handshake.LastRun{Outcome: "refused", Reason: "quiesce failed, so nothing was fired: no"},
			quiesce: func(context.Context) error { return errors.New("no") },
		},
		{
			name: "VolSync does not react", told: []string{"Fired", "Withdrawn"},
			end: handshake.LastRun{
				Outcome: "withdrawn", Reason: "VolSync did not react", Trigger: trigger, FreezeSeconds: ack.Seconds(),
			},
		},
		{
			name: "frozen too long", told: []string{"Fired", "FrozenTooLong", "Tainted"},
			limits: Limits{Freeze: time.Minute},
			events: func(p *play) { after(time.Second); p.takes() },
			end: handshake.LastRun{
				Outcome: "tainted", Reason: "the application has been quiesced for 1m0s", Trigger: trigger, FreezeSeconds: 60,
			},
		},
		{
			name: "until the cut", events: copies, good: "2000-01-01T00:00:06Z", told: []string{"CopyGood", "Fired"},
			prepare: func(p *play) { p.untilCut = true },
			end:     handshake.LastRun{Outcome: "ok", Trigger: trigger, CutTime: "2000-01-01T00:00:06Z", FreezeSeconds: 1},
		},
		{
			name: "until the cut, and another run has the claim when it is recorded", told: []string{"CopyGood", "Fired"},
			prepare: func(p *play) { p.untilCut = true }, good: "2000-01-01T00:00:06Z",
			events: func(p *play) {
				after(time.Second)
				p.takes()
				p.cuts("2000-01-01T00:00:06Z")
				after(time.Second)
				p.annotate(handshake.LockAnnotation, lockValue("other"))
				p.completes()
				after(time.Second)
				p.annotate(handshake.LockAnnotation, "")
			},
			end: handshake.LastRun{Outcome: "ok", Trigger: trigger, CutTime: "2000-01-01T00:00:06Z", FreezeSeconds: 1},
		},
		{
			name: "a policy forbids it", events: copies, told: []string{"Fired"},
			prepare: func(p *play) {
				writes := 0
				p.faults(func(request string) error {
					if request != "patch pvc" {
						return nil
					}
					if writes++; writes == 3 { // lock, trigger, unlock
						return apierrors.NewForbidden(resources["pvc"], name, errors.New("unknown annotation"))
					}
					return nil
				}, nil)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.end != (handshake.LastRun{}) {
				c.end.Run = run
			}
			l, limits := &eventLog{}, runLimits
			if c.limits.Freeze > 0 {
				limits.Freeze = c.limits.Freeze
			}
			p := whole(t, &app{quiesce: c.quiesce}, limits, func(p *play) {
				p.step.Events = l
				if c.prepare != nil {
					c.prepare(p)
				}
			}, c.events)
			p.wantEnd(t, c.end, c.good)
			if got := l.reasons(); !slices.Equal(got, c.told) {
				t.Errorf("told %q, want %q", got, c.told)
			}
		})
	}
}

// What stands there of a good copy is not lost by a run that fails.
func TestFailedRunLeavesTheLastGoodCopy(t *testing.T) {
	a := &app{quiesce: func(context.Context) error { return errors.New("no") }}
	p := whole(t, a, runLimits, func(p *play) { p.annotate(handshake.LastGoodAnnotation, "1999-12-31T00:00:00Z") }, nil)
	p.wantEnd(t, handshake.LastRun{
		Run: run, Outcome: "refused", Reason: "quiesce failed, so nothing was fired: no",
	}, "1999-12-31T00:00:00Z")
}

// The Event of a run that failed says why, as its claim does.
func TestEventSaysWhy(t *testing.T) {
	l := &eventLog{}
	a := &app{quiesce: func(context.Context) error { return errors.New("sh ended with exit code 9") }}
	whole(t, a, runLimits, func(p *play) { p.step.Events = l }, nil)
	want := "run run-1 ended with refused: it was not safe to go on, or quiesce failed; nothing was fired: " +
		"quiesce failed, so nothing was fired: sh ended with exit code 9"
	if len(l.all) != 1 || l.all[0].Message != want {
		t.Errorf("told %+v, want %q", l.all, want)
	}
}

// An attempt that an engine stops at once leaves what the one before has told.
func TestStoppedAttemptLeavesTheReason(t *testing.T) {
	var p *play
	a := &app{quiesce: func(ctx context.Context) error { p.signal(); <-ctx.Done(); return ctx.Err() }}
	was := handshake.LastRun{
		Run: run, Outcome: "refused", Reason: "the password is wrong", EndedAt: "1999-12-31T00:00:00Z",
	}
	whole(t, a, runLimits, func(of *play) { p = of; p.annotate(handshake.LastRunAnnotation, was.String()) }, nil)
	p.wants(t, want{outcome: outcome.Signalled, says: []string{"SIGTERM"}, hint: "start another run"})
	if got := p.get(handshake.LastRunAnnotation); got != was.String() {
		t.Errorf("got %s", got)
	}
	p.wantLock(t, "")
}

// Nobody tells an unlock by hand how a run has ended: it claims nothing but what the claim says.
func TestUnlockByHandClaimsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		lock    handshake.LockState
		latest  string
		outcome outcome.Outcome
		reason  string
		told    []string
	}{
		"held":           {lock: handshake.Held},
		"held, recorded": {lock: handshake.Held, latest: other.String()},
		"lost":           {lock: handshake.Lost, reason: "it did not end by itself", told: []string{"Failed"}},
		"lost, recorded": {
			lock: handshake.Lost, latest: other.String(), outcome: outcome.Unverified, reason: "it did not end by itself",
			told: []string{"Unverified"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &eventLog{}
			p := on(t, func(p *play) {
				p.step.Events = l
				p.annotate(handshake.LockAnnotation, run+"/"+c.lock.Word()+"/p-60s", handshake.LatestAnnotation, c.latest)
			}, func(ctx context.Context, s Step) (any, error) {
				return nil, Group{s}.Unlock(ctx, UnlockOptions{Run: run, All: true, Timeout: time.Minute})
			}, nil)
			p.wantEnd(t, handshake.LastRun{
				Run: run, Outcome: string(c.outcome), Reason: c.reason, Trigger: c.latest,
			}, "")
			if got := l.reasons(); !slices.Equal(got, c.told) {
				t.Errorf("told %q, want %q", got, c.told)
			}
		})
	}
}

// An application that cannot be let go stays locked, and somebody is told.
func TestStillFrozenIsTold(t *testing.T) {
	l := &eventLog{}
	a := &app{unquiesce: func(context.Context) error { return errors.New("no") }}
	p := whole(t, a, runLimits, func(p *play) { p.step.Events = l }, func(p *play) {
		after(time.Second)
		p.takes()
		p.completes()
	})
	frozen := events.Event{Claim: name, Warning: true, Reason: "FrozenTooLong", Message: "run run-1: unquiesce failed: no"}
	if !slices.Equal(l.reasons(), []string{"Fired", "FrozenTooLong"}) || !slices.Contains(l.all, frozen) {
		t.Errorf("told %+v", l.all)
	}
	if p.get(handshake.LastRunAnnotation) != "" {
		t.Error("it has ended for whom it has not")
	}
}

// A cleanup says how the lost run ended, and nothing where none was lost.
func TestCleanupLeavesHowTheLostRunEnded(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*play)
		want    handshake.LastRun
		told    []string
	}{
		"armed": {
			prepare: func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()); lockedFor(run)(p) },
			want:    handshake.LastRun{Run: run, Outcome: string(outcome.Withdrawn), Reason: "it did not end by itself"},
			told:    []string{"Withdrawn"},
		},
		"armed, and VolSync copies": {
			prepare: func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String())
				p.takes()
				lockedFor(run)(p)
			},
			want: handshake.LastRun{Run: run, Outcome: string(outcome.Tainted), Reason: "it did not end by itself"},
			told: []string{"Tainted"},
		},
		"nothing was fired": {
			prepare: lockedFor(run),
			want:    handshake.LastRun{Run: run, Reason: "it did not end by itself"}, told: []string{"Failed"},
		},
		"recorded": {
			prepare: func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String(), handshake.LatestAnnotation, other.String())
				lockedFor(run)(p)
			},
			want: handshake.LastRun{
				Run: run, Outcome: string(outcome.Unverified), Reason: "it did not end by itself", Trigger: other.String(),
			},
			told: []string{"Unverified"},
		},
		"not locked": {},
	} {
		t.Run(name, func(t *testing.T) {
			l := &eventLog{}
			p := on(t, func(p *play) {
				p.step.Events = l
				if c.prepare != nil {
					c.prepare(p)
				}
			}, func(ctx context.Context, s Step) (any, error) {
				app := &lostApp{play: &play{cluster: waiting(t)}}
				return Group{s}.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: true})
			}, nil)
			p.wantEnd(t, c.want, "")
			if got := l.reasons(); !slices.Equal(got, c.told) {
				t.Errorf("told %q, want %q", got, c.told)
			}
		})
	}
}
