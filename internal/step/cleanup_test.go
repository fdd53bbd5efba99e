package step

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// lostApp is an application that was left quiesced.
type lostApp struct {
	play    *play
	err     error
	trigger []string // the claim's, at each unquiesce
	lock    []string
}

func (a *lostApp) Quiesce(context.Context) error { panic("quiesced by a cleanup") }
func (a *lostApp) Lost() <-chan error            { return nil }
func (a *lostApp) UnquiesceIsScoped() bool       { return false }
func (a *lostApp) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	if err := may(ctx); err != nil {
		return err
	}
	a.trigger = append(a.trigger, a.play.trigger())
	a.lock = append(a.lock, a.play.get(handshake.LockAnnotation))
	return a.err
}

func TestCleanup(t *testing.T) {
	armed := func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) }
	for name, c := range map[string]struct {
		prepare  func(*play)
		unfrozen error
		selector string
		held     bool // there is nothing to unquiesce
		want     want
		let      int // how often the application was let go
		lock     string
	}{
		"nothing there": {want: want{outcome: outcome.OK}, let: 1},
		"a lost run": {
			prepare: func(p *play) { armed(p); lockedFor(run)(p) },
			want:    want{outcome: outcome.OK, trigger: "before"},
			let:     1,
		},
		"a lost hold": {
			prepare: func(p *play) { armed(p); lockedFor(run + "/held/p-0s")(p) },
			held:    true,
			want:    want{outcome: outcome.OK, trigger: "before"},
		},
		"another that was lost": {
			prepare: lockedFor("other/lost"),
			lock:    "other/lost",
			want: want{
				outcome: outcome.Failed,
				says:    []string{"cleanup of run other has not ended", "left alone"},
				hint:    "cleanup -n app --pvc data --run-id other",
			},
		},
		"another's cleanup": {
			prepare: lockedFor("other/cleanup"),
			lock:    "other/cleanup",
			want: want{
				outcome: outcome.Failed,
				says:    []string{"cleanup of run other has not ended", "left alone"},
				hint:    "copytrigger cleanup -n app --pvc data --run-id other",
			},
		},
		"another's freeze": {prepare: lockedFor("other"), want: want{outcome: outcome.OK}, lock: "other"},
		"another locks it just now": {
			prepare: func(p *play) {
				p.faults(once("patch pvc", func() error {
					p.annotate(handshake.LockAnnotation, lockValue("other"))
					return nil
				}), nil)
			},
			want: want{outcome: outcome.OK},
			lock: "other",
		},
		"unquiesce fails, not locked": {
			unfrozen: errors.New("no"),
			let:      1, // and no run is refused for ever
			want: want{
				outcome: outcome.Failed,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "no"},
				hint:    "by hand",
			},
		},
		"unquiesce fails": {
			prepare:  func(p *play) { armed(p); lockedFor(run)(p) },
			unfrozen: errors.New("no"),
			let:      1,
			lock:     run + "/lost",
			want: want{
				outcome: outcome.Failed,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "no"},
				hint:    "by hand",
				trigger: "before",
			},
		},
		"a trigger that stays armed": {
			prepare: func(p *play) {
				armed(p)
				lockedFor(run)(p)
				p.faults(refusedWhile(func() bool { return !p.log.has("cannot make sure") }), nil)
			},
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"cannot make sure"},
				hint:    `grant the verb "patch"`,
				trigger: other.String(),
			},
			let: 1,
		},
		"no such claim": {
			prepare: func(p *play) { p.claim = nil },
			want:    want{outcome: outcome.Refused, says: []string{"is not there"}, hint: "unquiesce by hand"},
		},
		"a claim that is deleted meanwhile": {
			prepare: func(p *play) {
				lockedFor(run)(p)
				p.faults(once("patch pvc", func() error { p.claim = nil; return nil }), nil)
			},
			want: want{outcome: outcome.Refused, says: []string{"is not there"}, hint: "check --pvc"},
			let:  1,
		},
		"a claim that may not be read": {
			prepare: func(p *play) { p.faults(always(forbidden, "get pvc"), nil) },
			want:    want{outcome: outcome.Refused, hint: "unquiesce by hand"},
		},
		"not quiesced any more": {
			prepare:  lockedFor(run),
			unfrozen: fmt.Errorf("%w: 106", quiesce.ErrNotHeld),
			let:      1,
			want:     want{outcome: outcome.OK},
		},
		"no pods": {
			prepare:  lockedFor(run),
			selector: podLabels,
			want:     want{outcome: outcome.OK},
			let:      1,
		},
		"a pod that does not end": {
			prepare:  func(p *play) { lockedFor(run)(p); p.pods = []pods.Pod{{Name: "freeze-1"}} },
			selector: podLabels,
			want:     want{outcome: outcome.TimedOut, says: []string{"freeze-1"}, hint: "kubectl get pods"},
			let:      1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &lostApp{err: c.unfrozen}
			p := on(t, func(p *play) {
				app.play = p
				if c.prepare != nil {
					c.prepare(p)
				}
			}, func(ctx context.Context, s Step) (any, error) {
				o := CleanupOptions{Run: run, App: app, Selector: c.selector, Wait: time.Minute, Unquiesce: time.Minute}
				if c.held {
					o.App = nil
				}
				return Group{s}.Cleanup(ctx, o)
			}, nil)
			p.wants(t, c.want)
			if len(app.trigger) != c.let {
				t.Errorf("let go %d times, want %d", len(app.trigger), c.let)
			}
			for _, trigger := range app.trigger {
				if trigger != c.want.trigger {
					t.Errorf("let go with the trigger %q", trigger)
				}
			}
			p.wantLock(t, c.lock)
		})
	}
}

// While the application is being let go no run may lock the claim, and begin to quiesce it.
func TestCleanupKeepsOthersOut(t *testing.T) {
	for by, want := range map[string]string{
		"": run + "/cleanup/me-140s", run: run + "/lost/earlier/me-140s", run + "/lost": run + "/lost/earlier/me-140s",
	} {
		app := &lostApp{}
		p := on(t, func(p *play) { app.play = p; lockedFor(by)(p) }, func(ctx context.Context, s Step) (any, error) {
			return Group{s}.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute})
		}, nil)
		if len(app.lock) != 1 || app.lock[0] != want {
			t.Errorf("locked by %q: let go with the locks %q", by, app.lock)
		}
		p.wantLock(t, "")
	}
}

// A signal that comes while it waits for pods does not keep it from letting go.
func TestCleanupGoesOn(t *testing.T) {
	app := &lostApp{}
	p := on(t, func(p *play) { app.play = p; lockedFor(run)(p); p.pods = []pods.Pod{{Name: "freeze-1"}} },
		func(ctx context.Context, s Step) (any, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(outcome.Stop{Name: "SIGTERM", Number: 15})
			return Group{s}.Cleanup(
				ctx,
				CleanupOptions{Run: run, App: app, Selector: podLabels, Wait: time.Minute, Unquiesce: time.Minute},
			)
		}, nil)
	// What may still let the application run is not known to have ended, so the claim stays locked.
	p.wants(t, want{
		outcome: outcome.Failed, says: []string{"SIGTERM", "application runs", "stays locked"},
		hint: "copytrigger unlock -n app --pvc data --run-id run-1 --all",
	})
	if len(app.trigger) != 1 {
		t.Error("the application was not let go")
	}
	p.wantLock(t, run+"/lost/earlier")
}
