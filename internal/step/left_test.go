package step

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pods"
)

const (
	saysFrozen = "THE APPLICATION MAY STILL BE QUIESCED"
	saysArmed  = "A TRIGGER MAY STILL BE ARMED"
	saysLocked = "THE CLAIM MAY STAY LOCKED"
)

// What a cleanup could not do is said, whatever else it could not do.
func TestCleanupSaysAllThatItLeaves(t *testing.T) {
	armed := func(p *play) { p.annotate(handshake.TriggerAnnotation, other.String()) }
	refused := always(forbidden, "patch pvc")
	for name, c := range map[string]struct {
		prepare func(*play, *CleanupOptions)
		want    want
	}{
		"the trigger of a hold, and its lock": {
			prepare: func(p *play, _ *CleanupOptions) {
				lockedFor(run + "/held/p-0s")(p)
				p.faults(refused, nil)
			},
			want: want{outcome: outcome.Tainted, says: []string{saysArmed, saysLocked}, hint: "copytrigger unlock"},
		},
		"the trigger, and the lock once the application runs": {
			prepare: func(p *play, o *CleanupOptions) {
				lockedFor(run)(p)
				o.App = &lostApp{play: p}
				o.RunsAgain = func() { p.faults(refused, nil) }
				p.faults(refusedWhile(func() bool { return !p.log.has("cannot make sure") }), nil)
			},
			want: want{outcome: outcome.Tainted, says: []string{saysArmed, saysLocked}, hint: "copytrigger unlock"},
		},
		"the trigger, and a pod that could quiesce again": {
			prepare: func(p *play, o *CleanupOptions) {
				lockedFor(run + "/held/p-0s")(p)
				p.pods = []pods.Pod{{Name: "freeze-1"}}
				o.Selector, o.Wait = podLabels, time.Minute
				p.faults(refused, nil)
			},
			want: want{
				outcome: outcome.Tainted, says: []string{saysArmed, saysLocked, "freeze-1"}, hint: "kubectl get pods",
			},
		},
		"the trigger, where another run was lost": {
			prepare: func(p *play, o *CleanupOptions) {
				lockedFor("other/lost")(p)
				o.App = &lostApp{play: p}
				p.faults(refused, nil)
			},
			want: want{
				outcome: outcome.Tainted, says: []string{saysArmed, "cleanup of run other has not ended"},
				hint: "copytrigger disarm",
			},
		},
		"the trigger, and what nobody says how to unquiesce": {
			prepare: func(p *play, _ *CleanupOptions) {
				lockedFor(run)(p)
				p.faults(refused, nil)
			},
			want: want{
				outcome: outcome.Failed, says: []string{saysArmed, saysFrozen, saysLocked}, hint: "copytrigger disarm",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := CleanupOptions{Run: run, Unquiesce: time.Minute}
			p := on(t, func(p *play) { armed(p); c.prepare(p, &o) },
				func(ctx context.Context, s Step) (any, error) { return Group{s}.Cleanup(ctx, o) }, nil)
			c.want.trigger = other.String()
			p.wants(t, c.want)
		})
	}
}

// A disarm that could not take back a trigger says, too, that the claim stays locked: no cleanup
// follows where another run has a claim of the group.
func TestGroupDisarmSaysAllThatItLeaves(t *testing.T) {
	p := together(t, nil, func(p *groupPlay) {
		p.annotate(handshake.LockAnnotation, lockValue("other"))
		p.second().annotate(handshake.LockAnnotation, lockValue(run), handshake.TriggerAnnotation, other.String())
		p.second().faults(always(forbidden, "patch pvc"), nil)
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
	}, nil)
	p.wants(t, left{
		outcome: outcome.Tainted, says: []string{saysFrozen, saysArmed, saysLocked}, wal: other.String(), lock: "=",
	})
}

// What an await-waiting that gives up may leave behind is said, also where its time is up, or a signal
// has come, before it could be taken back: then it is not just a wait that ended.
func TestAwaitWaitingSaysWhatItLeaves(t *testing.T) {
	goes := func(p *play) { p.faults(always(away), nil) }
	locked := want{says: []string{saysLocked}, hint: "copytrigger unlock"}
	armed := want{
		outcome: outcome.Tainted, says: []string{saysArmed}, hint: "copytrigger disarm",
		trigger: other.String(),
	}
	of := func(o outcome.Outcome, w want) want { w.outcome = o; return w }
	for name, c := range map[string]struct {
		prepare func(p *play)
		want    want
	}{
		"the lock's reply is lost, and time is up": {
			prepare: func(p *play) { p.faults(nil, once("patch pvc", func() error { goes(p); return away })) },
			want:    of(outcome.TimedOut, locked),
		},
		"the lock's reply is lost, and a signal comes": {
			prepare: func(p *play) { p.faults(nil, once("patch pvc", func() error { goes(p); p.signal(); return away })) },
			want:    of(outcome.Signalled, locked),
		},
		"the lock is written, and a signal comes": {
			prepare: func(p *play) { p.faults(nil, once("patch pvc", func() error { goes(p); p.signal(); return nil })) },
			want:    of(outcome.Signalled, locked),
		},
		"the trigger of an earlier attempt is taken back, and a signal comes": {
			prepare: func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String())
				p.faults(once("patch pvc", func() error { goes(p); p.signal(); return away }), nil)
			},
			want: armed,
		},
		"the trigger of an earlier attempt is taken back, and time is up": {
			prepare: func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String())
				p.faults(once("patch pvc", func() error { goes(p); time.Sleep(2 * time.Minute); return away }), nil)
			},
			want: armed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, c.prepare, awaitWaiting(time.Minute), func(*play) { after(5 * time.Minute) })
			p.wants(t, c.want)
		})
	}
}

// An earlier attempt of the run had the claim locked. That its trigger is taken back does not let the
// application run.
func TestAwaitWaitingSaysWhatAnEarlierAttemptLeaves(t *testing.T) {
	for name, stop := range map[string]func(*play){
		"a signal": func(p *play) { p.signal() },
		"time":     func(*play) { time.Sleep(2 * time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) {
				lockedFor(run)(p)
				p.annotate(handshake.TriggerAnnotation, other.String())
				p.faults(nil, once("patch pvc", func() error { stop(p); return nil }))
			}, awaitWaiting(time.Minute), func(*play) { after(5 * time.Minute) })
			p.wants(t, want{
				outcome: outcome.Tainted, says: []string{"has locked the claim", "may be quiesced"}, hint: "by hand",
				trigger: "before",
			})
		})
	}
	p := on(t, func(p *play) {
		lockedFor(run)(p)
		p.annotate(handshake.TriggerAnnotation, other.String())
	}, awaitWaiting(0), nil)
	p.wants(t, want{
		outcome: outcome.Tainted, says: []string{"has locked the claim"}, hint: "by hand", trigger: "before",
	})
}

// Of an earlier attempt every trigger is taken back, also where that fails for one, or a signal comes.
func TestGroupAwaitWaitingTakesAllBack(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*groupPlay)
		left    left
	}{
		"a signal comes": {
			prepare: func(p *groupPlay) {
				p.cluster.faults(nil, once("patch pvc", func() error { p.signal(); return nil }))
			},
			left: left{outcome: outcome.Signalled, data: "before", wal: "before"},
		},
		"the first is locked by another run": {
			prepare: func(p *groupPlay) {
				p.cluster.annotate(handshake.TriggerAnnotation, "", handshake.LockAnnotation, lockValue("other"))
			},
			left: left{outcome: outcome.Refused, says: []string{"run other has locked"}, wal: "before", lock: "="},
		},
		"the first may not be written": {
			prepare: func(p *groupPlay) { p.cluster.faults(always(away, "patch pvc"), nil) },
			left:    left{outcome: outcome.Tainted, says: []string{saysArmed}, data: other.String(), wal: "before"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := together(t, nil, func(p *groupPlay) {
				for _, of := range p.all {
					of.annotate(handshake.TriggerAnnotation, other.String())
				}
				c.prepare(p)
			}, groupAwaitWaiting(time.Minute), nil)
			p.wants(t, c.left)
		})
	}
}

// A trigger that was set already, and cannot be taken back, stays armed: that is more than a copy of
// an unknown freeze.
func TestFireAndAwaitSaysWhatItLeaves(t *testing.T) {
	mine := waitingTrigger(t)
	p := fireAndAwait(t, func(p *play) {
		p.annotate(handshake.TriggerAnnotation, mine)
		p.faults(always(forbidden, "patch pvc"), nil)
	}, nil)
	p.wants(t, want{outcome: outcome.Tainted, says: []string{saysArmed}, hint: "copytrigger disarm", trigger: mine})
}

// A cleanup that cannot see whether another process of the run lives does not take it for dead.
func TestCleanupWaitsForOthersWithoutAWatch(t *testing.T) {
	o := CleanupOptions{Run: run, Unquiesced: true, Unquiesce: time.Minute}
	p := on(t, lockedFor(run+"/lost/first-600s"), cleanupOf(o), func(p *play) {
		after(time.Second)
		p.endWatches("pvc", apierrors.NewBadRequest("no watches here"))
		after(time.Hour)
	})
	if p.err != nil || p.took < 10*time.Minute {
		t.Errorf("took %s, ended with %v", p.took, p.err)
	}
	p.wantLock(t, "")
}

// What is asked of this attempt does not hide what an earlier one has left.
func TestAwaitWaitingUntilCutTakesBack(t *testing.T) {
	p := on(t, func(p *play) {
		lockedFor(run)(p)
		p.annotate(handshake.TriggerAnnotation, other.String())
		p.sources[0].Method = "Clone"
	}, func(ctx context.Context, s Step) (any, error) {
		return Group{s}.AwaitWaiting(ctx, AwaitWaitingOptions{Run: run, UntilCut: true, Timeout: time.Minute})
	}, nil)
	p.wants(t, want{
		outcome: outcome.Tainted, says: []string{"has locked the claim"}, hint: "by hand", trigger: "before",
	})
}

// Each member of a group says what is left on it: of one the trigger, of another the lock.
func TestGroupCleanupSaysAllThatItLeaves(t *testing.T) {
	p := together(t, nil, func(p *groupPlay) {
		for _, of := range p.all {
			of.annotate(handshake.LockAnnotation, lockValue(run+"/held/p-0s"))
		}
		p.annotate(handshake.TriggerAnnotation, other.String())
		p.cluster.faults(refusedWhile(func() bool { return !p.log.has("cannot make sure") }), nil)
		p.second().faults(refusedWhile(func() bool { return p.log.has("cannot make sure") }), nil)
	}, func(ctx context.Context, _ *groupPlay, g Group) (any, error) {
		return g.Cleanup(ctx, CleanupOptions{Run: run, Unquiesce: time.Minute})
	}, nil)
	p.wants(t, left{outcome: outcome.Tainted, says: []string{saysArmed, saysLocked}, data: other.String(), lock: "="})
	errs := (*MemberErrors)(nil)
	if !errors.As(p.err, &errs) || endingOf(errs.Errors[0]).Left != outcome.LeftArmed ||
		endingOf(errs.Errors[1]).Left != outcome.LeftLocked {
		t.Errorf("got %v", p.err)
	}
}

// What an earlier attempt of the run has set is put back also where this one is refused.
func TestStartSyncThatIsRefusedPutsBack(t *testing.T) {
	p := start(t, func(p *play) {
		p.rests(run + ".1")
		p.change("rs", func() {
			p.sources[0].Started = handshake.Started{Run: run, Manual: run + ".1", Was: "git"}.String()
			p.sources[0].Paused = true
		})
	}, nil)
	if got := endingOf(p.err); got.Outcome != outcome.Refused || p.manual() != "git" || p.started() != "" {
		t.Errorf("got %v, and left manual %q, %q", p.err, p.manual(), p.started())
	}
}

// A disarm of a claim that is not locked takes the trigger away and locks in one write. Where that may be
// under way still, both are said.
func TestDisarmSaysThatItsLockMayCome(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(string) error
		says  []string
		not   string
	}{
		"the reply is lost": {always(away, "patch pvc"), []string{saysArmed, saysLocked}, ""},
		"it is refused":     {always(forbidden, "patch pvc"), []string{saysArmed}, saysLocked},
	} {
		t.Run(name, func(t *testing.T) {
			p := on(t, func(p *play) {
				p.annotate(handshake.TriggerAnnotation, other.String())
				p.faults(c.fault, nil)
			}, disarm, nil)
			p.wants(t, want{outcome: outcome.Tainted, says: c.says, hint: "copytrigger disarm", trigger: other.String()})
			if c.not != "" && strings.Contains(p.err.Error(), c.not) {
				t.Errorf("got %v", p.err)
			}
		})
	}
}
