package step

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// stubborn is an application whose unquiesce fails some times, a minute each.
type stubborn struct {
	app
	fails int
	then  func(attempt int) // after an attempt that failed
	tried int
}

func (a *stubborn) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	for {
		if err := may(ctx); errors.Is(err, quiesce.ErrLeaveAlone) || ctx.Err() != nil {
			return err
		} else if err != nil {
			time.Sleep(time.Second)
			continue
		}
		a.tried++
		if a.tried > a.fails {
			a.frozen = false
			return nil
		}
		time.Sleep(time.Minute)
		if a.then != nil {
			a.then(a.tried)
		}
	}
}

func (a *stubborn) run(t *testing.T, o RunOptions, prepare, events func(*play)) *play {
	return on(t, func(p *play) {
		a.play = p
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		o.Run, o.App, o.Limits, o.Times = run, a, runLimits, &Timeline{}
		return Group{s}.Run(ctx, o)
	}, events)
}

// Somebody ends this run and begins another one while its unquiesce is tried again and again: the
// next attempt would end that one's freeze.
func TestRunLooksAtTheLockBeforeEveryAttempt(t *testing.T) {
	a := &stubborn{fails: 5}
	a.then = func(attempt int) {
		if attempt == 2 {
			a.play.annotate(handshake.LockAnnotation, lockValue("other"))
		}
	}
	p := a.run(t, RunOptions{}, nil, func(p *play) { p.takes(); p.completes() })
	p.wants(t, want{
		outcome: outcome.Unverified,
		says:    []string{"run other has locked", "left alone"},
		hint:    "one run at a time",
		trigger: waitingTrigger(t),
	})
	if p.wantLock(t, "other"); a.tried != 2 {
		t.Errorf("tried %d times", a.tried)
	}
}

// Where the lock cannot be read a run tries once, for it had it a moment ago, and then only when it
// knows again.
func TestRunThatCannotReadItsLockUnquiescesOnce(t *testing.T) {
	a := &stubborn{fails: 1}
	tried := 0
	p := a.run(t, RunOptions{}, nil, func(p *play) {
		p.takes()
		p.faults(always(away), nil)
		after(runLimits.Ack + 3*time.Minute)
		tried = a.tried
		p.faults(nil, nil)
	})
	if tried != 1 || a.tried != 2 || a.frozen {
		t.Errorf("tried %d times while the server was away, %d times in all; frozen: %t", tried, a.tried, a.frozen)
	}
	p.wantLock(t, "")
}

// Somebody has taken the lock off: the run locks the claim again, so that none begins meanwhile.
func TestRunWhoseLockIsGoneLocksAgain(t *testing.T) {
	a := &stubborn{fails: 1}
	during := ""
	a.then = func(int) { during = a.play.get(handshake.LockAnnotation) }
	p := a.run(t, RunOptions{}, nil, func(p *play) { p.takes(); p.annotate(handshake.LockAnnotation, "") })
	if l := handshake.ParseLock(during); l.Run != run || l.State != handshake.Cleanup || a.tried != 2 {
		t.Errorf("locked by %q while it unquiesced, %d times", during, a.tried)
	}
	p.wantLock(t, "")
}

// A cleanup is under way beside the run: its lock is not the run's to take off.
func TestRunLeavesTheLockOfItsCleanup(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, nil, func(p *play) {
		own := handshake.ParseLock(p.get(handshake.LockAnnotation))
		p.annotate(handshake.LockAnnotation, run+"/lost/"+own.Owners+"/by-hand", handshake.TriggerAnnotation, "before")
	})
	p.wants(t, want{outcome.Withdrawn, []string{"somebody took the trigger back"}, "await-waiting", "before"})
	a.ranOnce(t)
	p.wantLock(t, run+"/cleanup/by-hand")
}

func cleanupOf(o CleanupOptions) func(context.Context, Step) (any, error) {
	return func(ctx context.Context, s Step) (any, error) {
		o.Run, o.Unquiesce = run, time.Minute
		return Group{s}.Cleanup(ctx, o)
	}
}

// A cleanup unlocks the claim when nothing else of the run can let the application run any more:
// when that has told, or when its own limit has passed.
func TestCleanupWaitsForTheOtherOwners(t *testing.T) {
	for name, c := range map[string]struct {
		by     string
		ended  bool
		events func(p *play)
		took   time.Duration
	}{
		"the run's own limit":       {by: "run-1/held/p-600s", took: 10 * time.Minute},
		"a hold, which is harmless": {by: "run-1/held/p-0s"},
		"no limit":                  {by: "run-1/held/p", took: time.Minute},
		"the run has given up":      {by: "run-1/lost/p-ended"},
		"the run is known to be":    {by: "run-1/lost/p-600s", ended: true},
		"an await-waiting's fence":  {by: "run-1/cleanup/await-waiting"},
		"another cleanup":           {by: "run-1/cleanup/c-90s", took: 90 * time.Second},
		"another cleanup, and dead": {by: "run-1/lost/p-600s/c-90s", ended: true, took: 90 * time.Second},
		"the run tells": {by: "run-1/held/p-600s", took: time.Minute, events: func(p *play) {
			after(time.Minute)
			p.annotate(handshake.LockAnnotation, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			app := &lostApp{}
			p := on(t, func(p *play) { app.play = p; lockedFor(c.by)(p) },
				cleanupOf(CleanupOptions{App: app, RunEnded: c.ended}), c.events)
			p.wants(t, want{outcome: outcome.OK})
			if p.wantLock(t, ""); p.took.Round(time.Second) != c.took || len(app.trigger) != 1 {
				t.Errorf("took %s, want %s; let go %d times", p.took, c.took, len(app.trigger))
			}
			if said := p.log.has("stays locked until then; if it is surely dead: copytrigger unlock"); said != (c.took > 0) {
				t.Errorf("says why it waits: %t", said)
			}
		})
	}
}

// A run that was alive beside its cleanup, and could not let the application run, may have quiesced it
// after the cleanup has let it run.
func TestCleanupBesideARunThatGivesUp(t *testing.T) {
	app := &lostApp{}
	p := on(t, func(p *play) { app.play = p; lockedFor("run-1/held/p-600s")(p) }, cleanupOf(CleanupOptions{App: app}),
		func(p *play) {
			after(time.Minute)
			p.annotate(handshake.LockAnnotation, run+"/lost/p-ended")
		})
	p.wants(t, want{
		outcome: outcome.Failed,
		says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "THE CLAIM MAY STAY LOCKED", "still lived"},
		hint:    "the cleanup again, with its --unquiesce: copytrigger cleanup -n app --pvc data --run-id run-1",
	})
	if p.wantLock(t, run+"/lost/p-ended"); p.took.Round(time.Second) != time.Minute {
		t.Errorf("took %s", p.took)
	}
}

// A process that could not let the application run, and gives up, marks its owner as ended or takes it
// off, so that no cleanup waits for it. It does not where an attempt may be under way.
func TestWhoGivesUpSaysSo(t *testing.T) {
	no := errors.New("sh ended with exit code 1")
	cut := quiesce.UnderWay{Err: no}
	runs := func(err error) func(t *testing.T) *play {
		return func(t *testing.T) *play {
			a := &app{unquiesce: func(context.Context) error { return err }}
			return whole(t, a, runLimits, nil, func(p *play) { p.takes(); p.completes() })
		}
	}
	cleans := func(app Application, by string) func(t *testing.T) *play {
		return func(t *testing.T) *play {
			return on(t, func(p *play) {
				if lost, is := app.(*lostApp); is {
					lost.play = p
				}
				lockedFor(by)(p)
			}, cleanupOf(CleanupOptions{App: app}), nil)
		}
	}
	longest := fmt.Sprintf("%s-%ds", me, wholeSeconds(runLimits.longest()))
	lost := run + "/lost/p-600s"
	for name, c := range map[string]struct {
		ends func(t *testing.T) *play
		lock string
	}{
		"a run":                                  {runs(no), run + "/lost/" + me + "-ended"},
		"a run, with an attempt under way":       {runs(cut), run + "/held/" + longest},
		"a cleanup":                              {cleans(&lostApp{err: no}, lost), lost},
		"a cleanup, with one under way":          {cleans(&lostApp{err: cut}, lost), lost + "/me-140s"},
		"a cleanup that was told no --unquiesce": {cleans(nil, run+"/held/p-600s"), lost},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.ends(t)
			if !strings.Contains(fmt.Sprint(p.err), "THE APPLICATION MAY STILL BE QUIESCED") {
				t.Errorf("got %v", p.err)
			}
			if got := p.get(handshake.LockAnnotation); got != c.lock {
				t.Errorf("the claim is locked by %q, want %q", got, c.lock)
			}
		})
	}
}

// A cleanup that does not know whose lock it is lets nothing run: it might be another's freeze.
func TestCleanupThatCannotReadTheLock(t *testing.T) {
	app := &lostApp{}
	p := on(t, func(p *play) {
		app.play = p
		lockedFor("other")(p)
		p.faults(always(away), nil)
	}, cleanupOf(CleanupOptions{App: app}), nil)
	p.wants(t, want{outcome.Tainted, []string{"THE APPLICATION MAY STILL BE QUIESCED", "the server is away"},
		"with its --unquiesce: copytrigger cleanup -n app --pvc data --run-id run-1", ""})
	if len(app.trigger) != 0 {
		t.Error("it was let go")
	}
	// It comes back in time.
	p = on(t, func(p *play) {
		app.play = p
		lockedFor(run)(p)
		p.faults(always(away), nil)
	}, cleanupOf(CleanupOptions{App: app, RunEnded: true}), func(p *play) { after(30 * time.Second); p.faults(nil, nil) })
	p.wants(t, want{outcome: outcome.OK})
	p.wantLock(t, "")
}

// An API server that has just been started refuses until it has read its rules.
func TestCleanupBearsARefusal(t *testing.T) {
	app := &lostApp{}
	p := on(t, func(p *play) {
		app.play = p
		lockedFor(run)(p)
		p.faults(times(1, always(forbidden)), nil)
	}, cleanupOf(CleanupOptions{App: app, RunEnded: true}), nil)
	p.wants(t, want{outcome: outcome.OK})
	if p.wantLock(t, ""); len(app.trigger) != 1 {
		t.Error("it was not let go")
	}
}

// writeLocked writes the state file of a run that has locked the claim.
func writeLocked(t *testing.T, file, owner string, until time.Time) {
	t.Helper()
	text := `{"run":"` + run + `","namespace":"app","claims":["data"],"owner":"` + owner + `",` +
		`"until":"` + until.Format(time.RFC3339) + `"}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A restarted container lets go first what it has left quiesced, also while nobody can be asked.
func TestRunLetsGoFirst(t *testing.T) {
	for name, c := range map[string]struct {
		by      string // when the server answers
		expired bool
		away    time.Duration
		tried   int // while it is away
		all     int
	}{
		"the server is away":           {by: run, away: 10 * time.Minute, tried: 1, all: 1},
		"it answers":                   {by: run, all: 1},
		"another run has it, and away": {by: "other", away: 10 * time.Minute, tried: 1, all: 1},
		"another run has it":           {by: "other", all: 0},
		"the limits have passed":       {by: run, expired: true, away: 2 * time.Minute, all: 1},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "locked")
			a := &stubborn{}
			tried := 0
			p := a.run(t, RunOptions{State: file}, func(p *play) {
				a.frozen = true
				lockedFor(c.by)(p)
				until := time.Now().Add(20 * time.Minute)
				if c.expired {
					until = time.Now().Add(-time.Second)
				}
				writeLocked(t, file, "earlier", until)
				if c.away > 0 {
					p.faults(always(away), nil)
				}
			}, func(p *play) {
				after(c.away / 2)
				tried = a.tried
				after(c.away / 2)
				p.faults(nil, nil)
			})
			if c.away > 0 && tried != c.tried || a.tried != c.all || a.frozen != (c.all == 0) {
				t.Errorf("tried %d times while the server was away, %d in all; frozen: %t", tried, a.tried, a.frozen)
			}
			if got := p.outcome(); got != outcome.Tainted {
				t.Errorf("got %s: %v", got, p.err)
			}
		})
	}
}

// The file is there as long as the application may be quiesced, and says who has locked the claim.
func TestRunKeepsTheStateFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	a := &stubborn{fails: 1}
	said := ""
	a.then = func(int) {
		text, _ := os.ReadFile(file)
		said = string(text)
	}
	p := a.run(t, RunOptions{State: file}, nil, func(p *play) { p.takes(); p.completes() })
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	if !strings.Contains(said, `"owner":"`+me+"-") {
		t.Errorf("said %q while the application was quiesced", said)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
}

// A signal does not keep a cleanup from taking off what is known to be dead: the engine ends the pod of
// the last attempt.
func TestCleanupUnlocksAfterASignal(t *testing.T) {
	app := &lostApp{}
	p := on(t, func(p *play) { app.play = p; lockedFor("run-1/held/p-600s")(p) },
		func(ctx context.Context, s Step) (any, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(outcome.Stop{Name: "SIGTERM", Number: 15})
			return Group{s}.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: true})
		}, nil)
	p.wants(t, want{outcome: outcome.OK})
	p.wantLock(t, "")
}
