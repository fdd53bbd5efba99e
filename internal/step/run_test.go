package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// app is an application, as it was quiesced and let go.
type app struct {
	mu      sync.Mutex
	frozen  bool
	thawed  int
	trigger string // on the claim, when it was let go

	quiesce   func(ctx context.Context) error // nil: well
	unquiesce func(ctx context.Context) error
	lost      chan error
	scoped    bool
	play      *play
}

func (a *app) Quiesce(ctx context.Context) error {
	a.mu.Lock()
	a.frozen = true
	a.mu.Unlock()
	if a.quiesce != nil {
		return a.quiesce(ctx)
	}
	return nil
}

func (a *app) Lost() <-chan error      { return a.lost }
func (a *app) UnquiesceIsScoped() bool { return a.scoped }

func (a *app) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	if !a.scoped {
		if err := may(ctx); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.thawed++
	a.trigger = a.play.trigger()
	if a.unquiesce != nil {
		if err := a.unquiesce(ctx); err != nil && !errors.Is(err, quiesce.ErrNotHeld) {
			return err
		} else if err != nil {
			a.frozen = false
			return err
		}
	}
	a.frozen = false
	return nil
}

func (a *app) isFrozen() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.frozen }

var runLimits = Limits{Wait: time.Hour, Ack: ack, Copy: freeze, Freeze: 15 * time.Minute, Unquiesce: 5 * time.Minute}

// whole does a whole run.
func whole(t *testing.T, a *app, l Limits, prepare, events func(*play)) *play {
	p := on(t, func(p *play) {
		a.play, a.lost = p, make(chan error, 1)
		p.sources[0].Claim = name
		if prepare != nil {
			prepare(p)
		}
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.Run(ctx, RunOptions{Run: run, App: a, UntilCut: a.play.untilCut, Limits: l, Times: &a.play.times})
	}, events)
	return p
}

// seconds is how long a part of the run took. It reports false if the run did not come to its end.
func (p *play) seconds(name string) (float64, bool) {
	for _, span := range p.times.Spans() {
		if span.Name == name {
			return span.Seconds(), span.Reached
		}
	}
	panic("there is no span " + name)
}

// waitedFor is the trigger for the wait in which every play starts.
func (p *play) waitedFor(t *testing.T) handshake.Trigger {
	return (&play{cluster: waiting(t)}).made()
}

// ranOnce asserts how the application is left.
func (a *app) ranOnce(t *testing.T) {
	t.Helper()
	if a.frozen || a.thawed != 1 {
		t.Errorf("the application is frozen: %t, and was let go %d times, want once", a.frozen, a.thawed)
	}
}

func TestRun(t *testing.T) {
	a := &app{
		quiesce:   func(context.Context) error { time.Sleep(2 * time.Second); return nil },
		unquiesce: func(context.Context) error { time.Sleep(time.Second); return nil },
	}
	p := whole(t, a, runLimits, nil, func(p *play) {
		after(3 * time.Second)
		p.takes()
		after(3 * time.Second)
		p.cuts("2000-01-01T00:00:06Z")
		after(4 * time.Second)
		if !a.isFrozen() {
			t.Error("let go before VolSync recorded the trigger")
		}
		p.completes()
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	a.ranOnce(t)
	got := p.result.(Ran)
	want := Waiting{p.waitedFor(t), []WaitingOn{{name, "2000-01-01T00:00:00Z", "rs"}}}
	if !reflect.DeepEqual(got.Waiting, want) {
		t.Errorf("got %+v, want %+v", got.Waiting, want)
	}
	if want := []Copied{{CutTime: "2000-01-01T00:00:06Z", Took: 8 * time.Second}}; !slices.Equal(got.Copied, want) {
		t.Errorf("got %+v, want %+v", got.Copied, want)
	}
	for name, want := range map[string]float64{
		"quiesce-seconds": 2, "fire-seconds": 0, "taken-seconds": 1, "cut-seconds": 3,
		"completed-seconds": 4, "unquiesce-seconds": 1, "freeze-seconds": 11,
	} {
		if got, reached := p.seconds(name); got != want || !reached {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if got.Fired.At.IsZero() {
		t.Error("no fired-at")
	}
}

// Whatever ends it, the application is let go, and not before the trigger is given back.
func TestRunThatEndsBadly(t *testing.T) {
	mine := waitingTrigger(t)
	hangs := func(ctx context.Context) error { <-ctx.Done(); return errors.New("sh ended with exit code 143") }
	for name, c := range map[string]struct {
		app     *app
		limits  func(*Limits)
		events  func(*play)
		want    want
		took    time.Duration
		freezes bool
	}{
		"quiesce fails": {
			app: &app{quiesce: func(context.Context) error { return errors.New("sh ended with exit code 3") }},
			want: want{
				outcome: outcome.Refused,
				says:    []string{"quiesce failed, so nothing was fired: sh ended with exit code 3"},
				hint:    "start another run",
			},
		},
		"quiesce takes too long": {
			app: &app{quiesce: hangs},
			want: want{
				outcome: outcome.TimedOut,
				says:    []string{"quiesced for 15m0s", "--max-freeze", "exit code 143"},
				hint:    "--max-freeze",
			},
			took: 15 * time.Minute,
		},
		"a signal during quiesce": {
			app:    &app{quiesce: hangs},
			events: func(p *play) { after(time.Second); p.signal() },
			want: want{
				outcome: outcome.Signalled, says: []string{"stopped by SIGTERM", "fired nothing"}, hint: "another run",
			},
			took: time.Second,
		},
		"VolSync does not react": {
			want: want{outcome: outcome.Withdrawn, says: []string{"did not react", "no copy was made"}, trigger: "before"},
			took: ack,
		},
		"the copy takes too long": {
			events: func(p *play) { p.takes() },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"timed out after 10m0s"},
				hint:    "do not use",
				trigger: "before",
			},
			took: freeze,
		},
		"a signal before VolSync took it": {
			events: func(p *play) { after(time.Second); p.signal() },
			want:   want{outcome: outcome.Withdrawn, says: []string{"SIGTERM"}, trigger: "before"},
			took:   time.Second,
		},
		"a signal during the copy": {
			events: func(p *play) { p.takes(); after(time.Second); p.signal() },
			want:   want{outcome: outcome.Tainted, says: []string{"SIGTERM"}, hint: "do not use", trigger: "before"},
			took:   time.Second,
		},
		"the freeze takes too long": {
			limits: func(l *Limits) { l.Freeze = 30 * time.Second },
			events: func(p *play) { p.takes() },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"quiesced for 30s", "--max-freeze"},
				hint:    "do not use",
				trigger: "before",
			},
			took: 30 * time.Second,
		},
		"the freeze takes too long, and the server is away": {
			limits: func(l *Limits) { l.Freeze = 30 * time.Second },
			events: func(p *play) {
				p.takes()
				after(time.Second)
				p.faults(always(away), nil)
				p.endWatches("pvc", nil)
			},
			want: want{outcome: outcome.Tainted, says: []string{"cannot make sure"}, hint: "disarm", trigger: mine},
			took: 30*time.Second + giveBackLimit + unlockLimit,
		},
		"the source goes": {
			events: func(p *play) { p.takes(); after(time.Second); p.change("rs", func() { p.sources = nil }) },
			want: want{
				outcome: outcome.Tainted,
				says:    []string{"ReplicationSource was deleted"},
				hint:    "do not use",
				trigger: "before",
			},
			took: time.Second,
		},
		"unquiesce fails": {
			app:    &app{unquiesce: func(context.Context) error { return errors.New("sh ended with exit code 1") }},
			events: func(p *play) { p.takes(); p.completes() },
			want: want{
				outcome: outcome.Unverified,
				says:    []string{"THE APPLICATION MAY STILL BE QUIESCED", "exit code 1"},
				hint:    "unquiesce it by hand",
				trigger: mine,
			},
			freezes: true,
		},
		"quiesce fails, and unquiesce": {
			app: &app{
				quiesce:   func(context.Context) error { return errors.New("no") },
				unquiesce: func(context.Context) error { return errors.New("sh ended with exit code 1") },
			},
			want: want{
				outcome: outcome.Refused,
				says:    []string{"quiesce failed", "THE APPLICATION MAY STILL BE QUIESCED"},
				hint:    "unquiesce it by hand; then",
			},
			freezes: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, a := runLimits, cmp.Or(c.app, &app{})
			if c.limits != nil {
				c.limits(&l)
			}
			p := whole(t, a, l, nil, c.events)
			p.wants(t, c.want)
			if a.frozen != c.freezes || a.thawed != 1 {
				t.Errorf("the application is frozen: %t, and was let go %d times", a.frozen, a.thawed)
			}
			if a.trigger != c.want.trigger {
				t.Errorf("it was let go with the trigger %q on the claim, want %q", a.trigger, c.want.trigger)
			}
			if p.took < c.took || p.took > c.took+2*time.Second {
				t.Errorf("took %s, want %s", p.took, c.took)
			}
		})
	}
}

// Before quiesce nothing is frozen, and nothing is let go.
func TestRunThatDoesNotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		prepare, events func(*play)
		outcome         outcome.Outcome
	}{
		"not enabled": {prepare: func(p *play) { p.annotate(handshake.UseAnnotation, "") }, outcome: outcome.Refused},
		"locked": {
			prepare: func(p *play) { p.annotate(handshake.LockAnnotation, lockValue("other")) },
			outcome: outcome.Refused,
		},
		"a clone, until the cut": {
			prepare: func(p *play) { p.untilCut = true; p.change("rs", func() { p.sources[0].Method = "Clone" }) },
			outcome: outcome.Refused,
		},
		"no wait": {prepare: func(p *play) { p.completes() }, outcome: outcome.TimedOut},
		"a signal": {
			prepare: func(p *play) { p.completes() },
			events:  func(p *play) { after(time.Second); p.signal() },
			outcome: outcome.Signalled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{}
			p := whole(t, a, runLimits, c.prepare, c.events)
			var ending *outcome.Ending
			if !errors.As(p.err, &ending) || ending.Outcome != c.outcome || a.frozen || a.thawed != 0 {
				t.Errorf("got %v, frozen %t, let go %d times; want %s", p.err, a.frozen, a.thawed, c.outcome)
			}
			if got, reached := p.seconds("freeze-seconds"); reached {
				t.Errorf("frozen for %v s", got)
			}
		})
	}
}

// An earlier attempt of this run was killed in its freeze: all that is left is to let the
// application go.
func TestRunAfterOneThatWasKilled(t *testing.T) {
	for name, prepare := range map[string]func(*play){
		"before it fired": func(p *play) { p.annotate(handshake.LockAnnotation, lockValue(run)) },
		"during the copy": func(p *play) { p.annotate(handshake.TriggerAnnotation, p.made().String()); p.takes() },
		"during the copy, locked": func(p *play) {
			p.annotate(handshake.LockAnnotation, lockValue(run), handshake.TriggerAnnotation, p.made().String())
			p.takes()
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{}
			p := whole(t, a, runLimits, func(p *play) { a.frozen = true; prepare(p) }, nil)
			var ending *outcome.Ending
			if !errors.As(p.err, &ending) || ending.Outcome != outcome.Tainted {
				t.Errorf("got %v, want tainted", p.err)
			}
			a.ranOnce(t)
			p.wantLock(t, "")
			if got := p.trigger(); got != "" && got != "before" {
				t.Errorf("armed with %q", got)
			}
		})
	}
}

// A hold that ends before it was let go, or badly: the copy may be of an application that
// ran. Only where there is certainly no copy that does not matter.
func TestRunThatLosesItsHold(t *testing.T) {
	early := fmt.Errorf("%w: sh ended early", quiesce.ErrNotHeld)
	for name, c := range map[string]struct {
		events  func(p *play, lose func())
		outcome outcome.Outcome
	}{
		"before VolSync took it": {func(_ *play, lose func()) { lose() }, outcome.Withdrawn},
		"during the copy":        {func(p *play, lose func()) { p.takes(); after(time.Second); lose() }, outcome.Unverified},
		"as it is recorded": {
			func(p *play, lose func()) { p.takes(); after(time.Second); p.completes(); lose() },
			outcome.Unverified,
		},
		"at its end": {
			func(p *play, _ func()) { p.takes(); after(time.Second); p.completes() },
			outcome.Unverified,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{unquiesce: func(context.Context) error { return early }}
			start := time.Now()
			p := whole(t, a, runLimits, nil, func(p *play) {
				c.events(p, func() { a.lost <- errors.New("sh ended early") })
			})
			var ending *outcome.Ending
			if !errors.As(p.err, &ending) || ending.Outcome != c.outcome {
				t.Errorf("got %v, want %s", p.err, c.outcome)
			}
			if said := strings.Count(fmt.Sprint(p.err), "sh ended early"); said != 1 {
				t.Errorf("%v: the lost hold is told %d times, want once", p.err, said)
			}
			a.ranOnce(t)
			if time.Since(start) > time.Minute || p.took > 2*time.Second {
				t.Errorf("took %s", p.took)
			}
			if got := p.trigger(); got != "before" && got != p.get(handshake.LatestAnnotation) {
				t.Errorf("armed with %q", got)
			}
		})
	}
}

// A hold that was lost is told beside what the run ended with: in a pod it may go on.
func TestRunTellsOfALostHoldWhateverItEndedWith(t *testing.T) {
	a := &app{unquiesce: func(context.Context) error { return fmt.Errorf("%w: sh ended early", quiesce.ErrNotHeld) }}
	p := whole(t, a, runLimits, nil, func(*play) {}) // VolSync does not react
	var ending *outcome.Ending
	if !errors.As(p.err, &ending) || ending.Outcome != outcome.Withdrawn ||
		!strings.Contains(p.err.Error(), "did not react") || !strings.Contains(p.err.Error(), "sh ended early") {
		t.Errorf("got %v, want withdrawn, and that sh ended early", p.err)
	}
	a.ranOnce(t)
}

func TestRunLocks(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, func(p *play) {}, func(p *play) {
		p.wantLock(t, run)
		p.takes()
		p.completes()
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	a.ranOnce(t)
	p.wantLock(t, "")
	// As long as the application may be quiesced, nobody else is to begin.
	a = &app{unquiesce: func(context.Context) error { return errors.New("no") }}
	p = whole(t, a, runLimits, func(p *play) {}, func(p *play) { p.takes(); p.completes() })
	p.wantLock(t, run+"/lost")
}

// cut is VolSync's snapshot, as the storage has cut it.
func (p *play) cut(uid string) {
	p.change("copy", func() {
		p.copied = &handshake.Copy{
			Name:  "volsync-rs-src",
			UID:   uid,
			Owner: "rs-1",
			Of:    name,
			Bound: true,
			Cut:   "2000-01-01T00:00:06Z",
		}
	})
}

func TestRunUntilCut(t *testing.T) {
	for name, c := range map[string]struct {
		events  func(p *play)
		outcome outcome.Outcome
		frozen  time.Duration
	}{
		"recorded": {func(p *play) { after(time.Hour / 12); p.completes() }, outcome.OK, time.Second},
		"replaced": {func(p *play) { p.cut("copy-2"); after(time.Second); p.completes() }, outcome.Unverified, time.Second},
		"replaced, unseen": {func(p *play) {
			p.faults(always(away), nil)
			p.cut("copy-2")
			p.completes()
			after(time.Minute)
			p.faults(nil, nil)
		}, outcome.Unverified, time.Second},
		"deleted":        {func(p *play) { p.change("copy", func() { p.copied = nil }) }, outcome.Unverified, time.Second},
		"never recorded": {func(*play) {}, outcome.Tainted, time.Second},
		"a signal":       {func(p *play) { p.signal() }, outcome.Tainted, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{}
			p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) {
				p.takes()
				after(time.Second)
				if !a.isFrozen() {
					t.Error("let go before the cut")
				}
				p.cut("copy-1")
				after(time.Second)
				if a.isFrozen() {
					t.Error("not let go at the cut")
				}
				c.events(p)
			})
			var ending *outcome.Ending
			errors.As(p.err, &ending)
			if got := outcome.OK; ending != nil && ending.Outcome != c.outcome || ending == nil && c.outcome != got {
				t.Errorf("got %v, want %s\n%s", p.err, c.outcome, &p.log.b)
			}
			a.ranOnce(t)
			if got, _ := p.seconds("freeze-seconds"); got != c.frozen.Seconds() {
				t.Errorf("frozen for %v s, want %s", got, c.frozen)
			}
			if got := p.trigger(); got != "before" && got != p.get(handshake.LatestAnnotation) {
				t.Errorf("armed with %q", got)
			}
		})
	}
	t.Run("recorded before the cut is seen", func(t *testing.T) {
		a := &app{}
		p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) { p.takes(); p.completes() })
		p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
		a.ranOnce(t)
	})
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]float64{"1.684826s": 1.684826, "1924138us": 1.924138, "3s": 3, "1499ns": 0.000001} {
		d, err := time.ParseDuration(text)
		if got := (Span{Took: d}).Seconds(); err != nil || got != want {
			t.Errorf("%s: got %v, want %v, %v", text, got, want, err)
		}
	}
}

// While the first attempt is in its quiesce, a second one of the same run takes it for lost
// and lets the application go. The first must not fire then. The claim is unlocked when both have
// let go, and also where the second could not, and has said so: the first does it after that.
func TestRunTwiceAtOnce(t *testing.T) {
	for _, no := range []error{nil, errors.New("no")} {
		let := make(chan struct{})
		second := &app{unquiesce: func(context.Context) error { close(let); return no }}
		first := &app{}
		var err error
		first.quiesce = func(ctx context.Context) error {
			second.play = first.play
			s := first.play.step
			s.Process = "second"
			go func() {
				_, err = Group{s}.Run(ctx, RunOptions{Run: run, App: second, Limits: runLimits, Times: &Timeline{}})
			}()
			<-let
			return nil
		}
		p := whole(t, first, runLimits, nil, nil)
		p.wants(t, want{outcome.Refused, []string{"taken for lost"}, "await-waiting", ""})
		var ending *outcome.Ending
		if !errors.As(err, &ending) || ending.Outcome != outcome.Tainted {
			t.Errorf("the second ended with %v", err)
		}
		first.ranOnce(t)
		p.wantLock(t, "")
	}
}

// Another run has locked the claim meanwhile: commands would end its freeze. A session's own
// lock is let go all the same.
func TestRunLeavesTheFreezeOfAnotherAlone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		a := &app{scoped: alone}
		a.quiesce = func(context.Context) error { a.play.annotate(handshake.LockAnnotation, lockValue("other")); return nil }
		p := whole(t, a, runLimits, func(p *play) {}, nil)
		p.wants(t, want{outcome.Refused, []string{"other has locked the claim"}, "await-waiting", ""})
		if let := a.thawed == 1; let != alone {
			t.Errorf("a session: %t, let go: %t", alone, let)
		}
		p.wantLock(t, "other")
	}
}

// Another attempt of the run has fired, in whatever freeze: this one proves nothing of it.
func TestRunDoesNotTakeTheTriggerOfAnotherAttempt(t *testing.T) {
	for name, fire := range map[string]func(*play){
		"set":      func(*play) {},
		"recorded": func(p *play) { p.takes(); p.completes() },
	} {
		a := &app{}
		a.quiesce = func(context.Context) error {
			a.play.annotate(handshake.TriggerAnnotation, a.play.made().String())
			fire(a.play)
			return nil
		}
		p := whole(t, a, runLimits, nil, nil)
		var ending *outcome.Ending
		if !errors.As(p.err, &ending) || ending.Outcome != outcome.Unverified {
			t.Errorf("%s: got %v, want unverified", name, p.err)
		}
		a.ranOnce(t)
	}
}

// The application was lost, VolSync recorded the trigger in the same moment, and whoever let
// it go noticed nothing.
func TestRunKeepsInMindThatItLostItsHold(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, nil, func(p *play) {
		p.takes()
		after(time.Second)
		p.faults(once("get pvc", func() error { p.completes(); return nil }), nil) // the look of the surrender
		a.lost <- errors.New("sh ended early")
	})
	var ending *outcome.Ending
	if !errors.As(p.err, &ending) || ending.Outcome != outcome.Unverified {
		t.Errorf("got %v, want unverified", p.err)
	}
	a.ranOnce(t)
}

// Once it is cut VolSync has reacted: an outage that is longer than the limit for that does
// no harm.
func TestRunUntilCutThroughAnOutage(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) {
		p.takes()
		p.cut("copy-1")
		after(time.Millisecond)
		p.faults(always(away), nil)
		after(2 * ack)
		p.completes()
		p.faults(nil, nil)
	})
	p.wants(t, want{outcome: outcome.OK, trigger: waitingTrigger(t)})
	a.ranOnce(t)
}

// Between the look at the claim and the one at the copy a cleanup has taken the run for lost
// and let the application run; then the copy was cut.
func TestRunUntilCutLosesItsLockAtTheCut(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) {
		p.faults(once("get copy", func() error {
			p.annotate(handshake.LockAnnotation, lockValue(run+"/lost"))
			p.cut("copy-1")
			return nil
		}), nil)
		p.takes()
	})
	p.wants(t, want{outcome.Tainted, []string{"taken for lost", "may have copied already"}, "do not use", "before"})
	a.ranOnce(t)
}

// The run itself has fired: what it finds at its first look is never that it has not.
func TestRunTakenBackBeforeItLooks(t *testing.T) {
	for _, until := range []bool{false, true} {
		a := &app{}
		p := whole(t, a, runLimits, func(p *play) {
			p.untilCut = until
			p.faults(nil, second("patch pvc", func() error { // the first is the lock's
				p.annotate(handshake.TriggerAnnotation, "before")
				p.waits("2000-01-01T01:00:00Z")
				return nil
			}))
		}, nil)
		p.wants(t, want{outcome.Unverified, []string{"took the trigger back"}, "do not rely", "before"})
		a.ranOnce(t)
	}
}

// VolSync may have copied for the trigger and somebody have taken it back before verify
// looks for the first time: that is no run that has fired nothing.
func TestRunUntilCutTakenBackBeforeVerify(t *testing.T) {
	a := &app{}
	a.unquiesce = func(context.Context) error {
		a.play.annotate(handshake.TriggerAnnotation, "before")
		a.play.change("copy", func() { a.play.copied = nil })
		a.play.waits("2000-01-01T01:00:00Z")
		return nil
	}
	p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) { p.takes(); p.cut("copy-1") })
	p.wants(t, want{outcome.Unverified, []string{"took the trigger back"}, "do not rely", "before"})
}

// What verify found must not be hidden by what release could not do.
func TestRunUntilCutThatCannotUnlock(t *testing.T) {
	a := &app{}
	a.unquiesce = func(context.Context) error {
		a.play.faults(func(request string) error {
			if request == "patch pvc" && a.play.get(handshake.LockAnnotation) != "" {
				a.play.faults(nil, nil)
				a.play.cut("copy-2") // VolSync has made another one
				return forbidden
			}
			return nil
		}, nil)
		return nil
	}
	p := whole(t, a, runLimits, func(p *play) { p.untilCut = true }, func(p *play) { p.takes(); p.cut("copy-1") })
	var ending *outcome.Ending
	if !errors.As(p.err, &ending) || ending.Outcome != outcome.Unverified {
		t.Errorf("got %v, want unverified", p.err)
	}
	a.ranOnce(t)
}
