package step

// Each test here is named after something that once broke a promise. Its comment tells what
// happened before that was mended.

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/pvc"
)

// pair is a group of two claims, each on a cluster of its own (both are named data).
type pair struct {
	a, b *play
	log  *log
	g    Group
	err  error
}

func onPair(t *testing.T, prepare func(*pair), do func(context.Context, Group) error, events func(*pair)) *pair {
	p := &pair{log: &log{}}
	synctest.Test(t, func(t *testing.T) {
		p.a, p.b = &play{cluster: waiting(t), log: p.log}, &play{cluster: waiting(t), log: p.log}
		p.b.claim.UID, p.b.sources[0].UID = "claim-2", "rs-2"
		p.a.sources[0].Claim, p.b.sources[0].Claim = name, name
		for _, m := range []*play{p.a, p.b} {
			m.step = Step{Claims: m.cluster, VolSync: m.cluster, Pods: m.cluster, Namespace: namespace, Claim: name, Process: me,
				Log: slog.New(slog.NewTextHandler(p.log, nil))}
			p.g = append(p.g, m.step)
		}
		if prepare != nil {
			prepare(p)
		}
		done := make(chan struct{})
		go func() { defer close(done); p.err = do(t.Context(), p.g) }()
		synctest.Wait()
		if events != nil {
			events(p)
		}
		<-done
	})
	return p
}

// saysLeft reports what an error says is left behind.
func saysLeft(err error) outcome.Left {
	var e *outcome.Ending
	if errors.As(err, &e) {
		return e.Left
	}
	return 0
}

func (p *pair) lockA() string { return p.a.get(handshake.LockAnnotation) }
func (p *pair) lockB() string { return p.b.get(handshake.LockAnnotation) }

// A group's run dies between locking a and locking b, which another run has locked first: its cleanup
// ends with 0, and a stays locked for ever, unsaid.
func TestCleanupOfAGroupOfWhichAnotherHasAMember(t *testing.T) {
	for what, ended := range map[string]bool{"killed": false, "killed, known to be ended": true} {
		app := &lostApp{}
		p := onPair(t, func(p *pair) {
			app.play = p.a
			lockedFor("run-1/held/p-600s")(p.a)
			lockedFor("other")(p.b)
		}, func(ctx context.Context, g Group) error {
			_, err := g.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: ended})
			return err
		}, nil)
		if l := p.lockA(); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
			t.Errorf("%s: ended with %v, let go %d times, and left a locked by %q, unsaid", what, p.err, len(app.trigger), l)
		}
	}
}

// The same, by the next attempt of the run, which says moreover that the application was let go.
func TestRunAgainOfAGroupOfWhichAnotherHasAMember(t *testing.T) {
	ap := &app{}
	p := onPair(t, func(p *pair) {
		ap.play = p.a
		lockedFor("run-1/held/p-600s")(p.a)
		lockedFor("other")(p.b)
	}, func(ctx context.Context, g Group) error {
		_, err := g.Run(ctx, RunOptions{Run: run, App: ap, OneAtATime: true, Limits: runLimits, Times: &Timeline{}})
		return err
	}, nil)
	if l := p.lockA(); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
		t.Errorf("left a locked by %q, unsaid: %v", l, p.err)
	}
	if ap.thawed == 0 && strings.Contains(p.err.Error(), "application let go") {
		t.Errorf("let go %d times, and says: %v", ap.thawed, p.err)
	}
}

// A member of a lost, frozen group is deleted (or misspelt): the cleanup knows by the other's lock that
// the run has quiesced, lets nothing go, and does not say that the application is frozen and a locked.
func TestCleanupOfAGroupOfWhichAMemberIsDeleted(t *testing.T) {
	app := &lostApp{}
	p := onPair(t, func(p *pair) {
		app.play = p.a
		lockedFor("run-1/held/p-600s")(p.a)
		p.b.claim = nil
	}, func(ctx context.Context, g Group) error {
		_, err := g.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: true})
		return err
	}, nil)
	if len(app.trigger) == 0 && saysLeft(p.err)&outcome.LeftFrozen == 0 {
		t.Errorf("not let go, unsaid: %v", p.err)
	}
	if l := p.lockA(); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
		t.Errorf("left a locked by %q, unsaid: %v", l, p.err)
	}
}

// A living run of two claims: VolSync has recorded a; somebody's cleanup of a alone (as the hint to
// another run of a says) lets the application run; then b is cut. The run ends with 0.
func TestGroupWhoseFirstMemberIsCleanedUpBeforeTheSecondIsCut(t *testing.T) {
	for _, untilCut := range []bool{false, true} {
		ap := &app{}
		cutOfTheRunning := false
		p := onPair(t, func(p *pair) { ap.play = p.a }, func(ctx context.Context, g Group) error {
			_, err := g.Run(ctx, RunOptions{Run: run, App: ap, UntilCut: untilCut, Limits: runLimits, Times: &Timeline{}})
			return err
		}, func(p *pair) {
			after(time.Second)
			p.a.takes()
			p.b.takes()
			after(time.Second)
			p.a.cuts("2000-01-01T00:00:05Z")
			after(time.Second)
			p.a.records()
			after(time.Second)
			other := Group{p.a.step}
			other[0].Process = "another"
			let := &app{play: p.a}
			done := make(chan error)
			go func() {
				_, err := other.Cleanup(context.Background(), CleanupOptions{Run: run, App: let, Unquiesce: time.Minute})
				done <- err
			}()
			after(time.Second)
			cutOfTheRunning = let.thawed > 0 // before b is cut
			p.b.cuts("2000-01-01T00:00:06Z")
			after(time.Second)
			p.b.records()
			<-done
		})
		if p.err == nil && cutOfTheRunning {
			t.Errorf("until cut: %t: ended with 0, and b was cut after the application was let go", untilCut)
		}
	}
}

// Of a group that was killed after it had fired, another run of a alone is told to clean up a: it does,
// with 0, and b stays armed and locked, which nobody says.
func TestHintNamesOneMemberOfAGroup(t *testing.T) {
	app := &lostApp{}
	hint := ""
	p := onPair(t, func(p *pair) {
		app.play = p.a
		for _, m := range []*play{p.a, p.b} {
			lockedFor("run-1/held/p-600s")(m)
			m.annotate(handshake.TriggerAnnotation, other.String())
		}
	}, func(ctx context.Context, g Group) error {
		_, err := Group{g[0]}.AwaitWaiting(ctx, AwaitWaitingOptions{Run: "run-2", Timeout: time.Minute})
		hint = hintOf(err)
		_, err = Group{g[0]}.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: true})
		return err
	}, nil)
	if !strings.Contains(hint, "other claims") && p.err == nil && (p.b.trigger() == other.String() || p.lockB() != "") {
		t.Errorf("did what %q says, with 0: b is armed with %q and locked by %q", hint, p.b.trigger(), p.lockB())
	}
}

// A run of a group whose limits have passed (it stood still) wakes when another run has a: it leaves the
// application alone, and b locked by itself, unsaid.
func TestRunOfAGroupThatLeavesAloneLeavesALock(t *testing.T) {
	ap := &app{}
	p := onPair(t, func(p *pair) { ap.play = p.a }, func(ctx context.Context, g Group) error {
		_, err := g.Run(ctx, RunOptions{Run: run, App: ap, Limits: runLimits, Times: &Timeline{}})
		return err
	}, func(p *pair) {
		after(time.Second)
		p.b.annotate(handshake.LockAnnotation, "")
		p.a.annotate(handshake.LockAnnotation, lockValue("other"))
	})
	if l := p.lockB(); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
		t.Errorf("left b locked by %q, unsaid: %v", l, p.err)
	}
}

// The first write of the lock hangs, the second is refused: await-waiting forgets the first, which
// comes later, and locks the claim, unsaid.
func TestLockWrittenAfterARefusal(t *testing.T) {
	p := on(t, func(p *play) {
		n := 0
		p.faults(func(r string) error {
			if r != "patch pvc" {
				return nil
			}
			if n++; n == 1 {
				late := *p.claim
				time.AfterFunc(time.Minute, func() {
					p.faults(nil, nil)
					_, _ = p.Annotate(context.Background(), late, map[string]string{handshake.LockAnnotation: run + "/held/" + me})
				})
				return away
			}
			return forbidden
		}, nil)
	}, awaitWaiting(time.Hour), func(*play) { after(2 * time.Minute) })
	if l := p.get(handshake.LockAnnotation); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
		t.Errorf("left locked by %q, unsaid: %v", l, p.err)
	}
}

// hanging is an application whose one attempt to unquiesce takes its time.
type hanging struct {
	lostApp
	takes  time.Duration
	during func() // at its end, before the application runs
}

func (a *hanging) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	if err := may(ctx); err != nil {
		return err
	}
	time.Sleep(a.takes)
	a.during()
	return nil
}

// flaky is the cluster as one process reaches it, or does not.
type flaky struct {
	*cluster
	away atomic.Bool
	lose atomic.Bool // the reply to the next write; then it is away
}

func (f *flaky) Get(ctx context.Context, n string) (pvc.Claim, error) {
	if f.away.Load() {
		return pvc.Claim{}, away
	}
	return f.cluster.Get(ctx, n)
}

func (f *flaky) Annotate(ctx context.Context, was pvc.Claim, values map[string]string) (pvc.Claim, error) {
	if f.away.Load() {
		return pvc.Claim{}, away
	}
	got, err := f.cluster.Annotate(ctx, was, values)
	if f.lose.CompareAndSwap(true, false) {
		f.away.Store(true)
		return pvc.Claim{}, away
	}
	return got, err
}

// A cleanup whose lock is written, and the reply lost, gets on when it reaches the API server again. It
// then unquiesces within its limit, but longer than its owner says: another cleanup takes it off, and
// the claim is free while it is at it.
func TestCleanupLivesLongerThanItsOwnerSays(t *testing.T) {
	for name, lost := range map[string]bool{"control": false, "its reply was lost": true} {
		own := ""
		app := &hanging{takes: 55 * time.Second}
		var f *flaky
		on(t, func(p *play) {
			app.play = p
			f = &flaky{cluster: p.cluster}
			f.lose.Store(lost)
			lockedFor("run-1/held/p-600s")(p)
			app.during = func() { own = p.get(handshake.LockAnnotation) }
		}, func(ctx context.Context, s Step) (any, error) {
			s.Claims = f
			found, err := Group{s}.Cleanup(ctx, CleanupOptions{Run: run, App: app, Unquiesce: time.Minute, RunEnded: true})
			if err != nil {
				t.Error(err)
			}
			return found, err
		}, func(p *play) {
			second := p.step
			second.Process = "second"
			done := make(chan error)
			go func() {
				_, err := Group{second}.Cleanup(context.Background(),
					CleanupOptions{Run: run, App: &lostApp{play: p}, Unquiesce: time.Minute, RunEnded: true})
				done <- err
			}()
			after(20 * time.Second)
			f.away.Store(false)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		if own == "" {
			t.Errorf("%s: the claim is free while the first cleanup unquiesces, within its own limit", name)
		}
	}
}

// The clock was set back after the state file was written (a node that boots before its clock is
// right; an emptyDir outlives the boot): until is further away than any run lives. The run unquiesces
// without having read the lock, in the freeze of another run.
func TestStateFileOfAClockThatWasSetBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	a := &stubborn{}
	tried := 0
	a.run(t, RunOptions{State: file}, func(p *play) {
		a.frozen = true
		lockedFor("other")(p)
		writeLocked(t, file, "earlier", time.Now().Add(runLimits.longest()+time.Hour))
		p.faults(always(away), nil)
	}, func(p *play) { after(time.Minute); tried = a.tried; p.faults(nil, nil) })
	if tried != 0 {
		t.Errorf("unquiesced in the freeze of another run, by a file that no run of these limits can have written now")
	}
}

// The lock of a lost run of two commands (its owner has a limit) is taken off, with 0, by a cleanup
// without --unquiesce, as the command of the hint is: the application stays frozen, unsaid.
func TestCleanupWithoutUnquiesceOfARunOfTwoCommands(t *testing.T) {
	p := on(t, lockedFor("run-1/lost/p-600s"), cleanupOf(CleanupOptions{RunEnded: true}), nil)
	if p.get(handshake.LockAnnotation) == "" && p.err == nil {
		t.Errorf("unlocked with 0, and nobody has let the application go")
	}
}

// A run whose lock is gone locks again before it unquiesces; that write hangs, and comes after the
// unlock: the claim stays locked, unsaid.
func TestLockBeforeUnquiesceWrittenLate(t *testing.T) {
	a := &app{}
	p := whole(t, a, runLimits, nil, func(p *play) {
		after(time.Second)
		p.takes()
		p.faults(once("patch pvc", func() error {
			late := *p.claim
			time.AfterFunc(30*time.Second, func() {
				lock := run + "/cleanup/" + me + "-1s"
				_, _ = p.Annotate(context.Background(), late, map[string]string{handshake.LockAnnotation: lock})
			})
			return away
		}), nil)
		// As a cleanup that waited for its limits.
		p.annotate(handshake.TriggerAnnotation, "before", handshake.LockAnnotation, "")
		after(time.Minute)
	})
	if l := p.get(handshake.LockAnnotation); l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
		t.Errorf("left locked by %q, unsaid: %v", l, p.err)
	}
}

// A stepwise cleanup (tasks/task/cleanup.yaml, and workflows) of a group of which another run has a
// member, after a run that was refused for that: disarm locks the free member, says "other" with 0, so
// that unquiesce and unlock are skipped, and the member stays locked for ever, unsaid.
func TestDisarmOfAGroupOfWhichAnotherHasAMember(t *testing.T) {
	for what, lock := range map[string]string{
		"a is free":                 "",
		"a is the run's":            "run-1/held/p",
		"a is free, and b misspelt": "",
	} {
		var found []Disarmed
		p := onPair(t, func(p *pair) {
			lockedFor(lock)(p.a)
			lockedFor("other")(p.b)
			if strings.Contains(what, "misspelt") {
				p.b.claim = nil
			}
		}, func(ctx context.Context, g Group) (err error) {
			found, err = g.Disarm(ctx, DisarmOptions{Run: run, Timeout: time.Minute})
			return err
		}, nil)
		if l := p.lockA(); WhoseAll(found) == Anothers && l != "" && saysLeft(p.err)&outcome.LeftLocked == 0 {
			t.Errorf("%s: lock is %q, ended with %v, and left a locked by %q", what, WhoseAll(found), p.err, l)
		}
	}
}

// While a run quiesces, another attempt of it has cleaned up (--one-at-a-time, --run-ended, unlock --all
// given wrongly, or the run stood still) and a third one is in its freeze. The first one's quiesce
// fails: it lets the application go, with the lock of the third before its eyes, which that one holds on.
func TestUnquiesceInTheFreezeOfALaterAttempt(t *testing.T) {
	a := &app{}
	a.quiesce = func(context.Context) error {
		a.play.annotate(handshake.LockAnnotation, run+"/held/third-1287s")
		return errors.New("no")
	}
	p := whole(t, a, runLimits, nil, nil)
	l := handshake.ParseLock(p.get(handshake.LockAnnotation))
	if a.thawed > 0 && l.State == handshake.Held {
		t.Errorf("let go in the freeze of the attempt that has the lock %q, which does not see it (%v)", l, p.err)
	}
}

// A state file that two containers of a pod share (the Job's uid is the run of both): it does not say
// of which claims it is. The one that finds it unquiesces its own claim's application unasked.
func TestStateFileOfAnotherClaim(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	a := &stubborn{}
	tried := 0
	p := a.run(t, RunOptions{State: file}, func(p *play) {
		elsewhere := p.step
		elsewhere.Claim = "another"
		(&running{step: elsewhere, group: Group{elsewhere}, owner: "they-60s",
			options: RunOptions{Run: run, State: file, Limits: runLimits}}).keepLocked()
		lockedFor("other")(p) // who is in its freeze
		p.faults(always(away), nil)
	}, func(p *play) { after(time.Minute); tried = a.tried; p.faults(nil, nil) })
	if tried != 0 {
		t.Errorf("unquiesced in the freeze of another run: %v", p.err)
	}
}

// Two groups whose first claims are the same are one to what a message says of them.
func TestStateFileOfAnotherGroup(t *testing.T) {
	s := Step{Namespace: namespace, Group: []string{"a", "b", "c", "d", "e", "f"}}
	another := s
	another.Group = []string{"a", "b", "c", "d", "e", "g"}
	if s.subject() != another.subject() {
		t.Fatal("messages name every claim")
	}
	file := filepath.Join(t.TempDir(), "locked")
	(&running{step: s, options: RunOptions{Run: run, State: file}}).keepLocked()
	l, found := readLocked(file, run)
	if !found || !l.is(s) || l.is(another) {
		t.Errorf("%+v is not about %v alone", l, s.Group)
	}
	s.Namespace = "another"
	if l.is(s) {
		t.Errorf("%+v is about namespace %s", l, s.Namespace)
	}
}

// The next attempt of a run finds that another run has the claim, leaves the application alone, and
// says that it was let go.
func TestSaysLetGoWhereItWasLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	a := &stubborn{}
	p := a.run(t, RunOptions{State: file}, func(p *play) {
		writeLocked(t, file, "earlier", time.Now())
		lockedFor("other")(p)
	}, nil)
	if a.tried == 0 && strings.Contains(p.err.Error(), "the application let go") {
		t.Errorf("not let go, and says: %v", p.err)
	}
}

// A run ends well and unlocks the claim; it is killed right there, before its state file is removed. Its
// container starts again while it cannot reach the API server, and another run is in its freeze by now:
// it unquiesces first. No flag is wrong, and nobody has unlocked by hand.
func TestKilledBetweenUnlockAndForgetting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	var left []byte
	a := &stubborn{}
	a.run(t, RunOptions{State: file}, func(p *play) {
		p.faults(nil, func(r string) error {
			if r == "patch pvc" && p.get(handshake.LockAnnotation) == "" && left == nil {
				left, _ = os.ReadFile(file)
			}
			return nil
		})
	}, func(p *play) { p.takes(); p.completes() })
	if left == nil {
		return // it was gone before
	}
	b := &stubborn{}
	tried := 0
	b.run(t, RunOptions{State: file}, func(p *play) {
		if err := os.WriteFile(file, left, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 2, 0, 0, time.UTC)))
		lockedFor("other")(p)
		p.faults(always(away), nil)
	}, func(p *play) { after(time.Minute); tried = b.tried; p.faults(nil, nil) })
	if tried != 0 {
		t.Errorf("unquiesced in the freeze of another run, by the file %s", left)
	}
}

// The exit handler's cleanup of quiesced-copy-run (workflows), where the pod of the run cannot be seen to
// end (a node that is lost): it waits 3m30s for the pod, then for as long as the run can live by its
// default limits, from the start of this attempt on; its pod is ended before that, in each attempt. So
// it never unlocks, however often it is tried again.
func TestArgosCleanupOutlivedByTheRun(t *testing.T) {
	text, err := os.ReadFile("../../workflows/templates/quiesced-copy-run/manifests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`activeDeadlineSeconds: (\d+)`).FindSubmatch(text)
	if found == nil || !strings.Contains(string(text), "--timeout=3m30s") {
		t.Fatal("the manifest has another form")
	}
	seconds, _ := strconv.Atoi(string(found[1]))
	deadline := time.Duration(seconds) * time.Second
	run := Limits{Freeze: 10 * time.Minute, Unquiesce: 2 * time.Minute}.longest() // max-freeze, unquiesce-timeout
	if takes := 210*time.Second + 2*time.Minute + run; takes > deadline {
		t.Errorf("it takes %s, and has %s", takes, deadline)
	}
}

// A restarted run lets go first, blindly, a moment before the time of its state file: its attempt may
// take as long as --unquiesce-timeout. A cleanup that has waited until then unlocks the claim, and
// another run is in its freeze when the attempt acts.
func TestLetsGoFirstALittleBeforeUntil(t *testing.T) {
	file := filepath.Join(t.TempDir(), "locked")
	app := &hanging{takes: runLimits.Unquiesce - time.Minute}
	by := ""
	on(t, func(p *play) {
		app.play = p
		app.during = func() { by = p.get(handshake.LockAnnotation) }
		lockedFor("run-1/held/earlier-1287s")(p)
		writeLocked(t, file, "earlier-1287s", time.Now().Add(30*time.Second))
		f := &flaky{cluster: p.cluster}
		f.away.Store(true)
		p.step.Claims = f
		time.AfterFunc(time.Hour, func() { f.away.Store(false) })
	}, func(ctx context.Context, s Step) (any, error) {
		_, err := Group{s}.Run(ctx, RunOptions{Run: run, App: app, State: file, Limits: runLimits, Times: &Timeline{}})
		return nil, err
	}, func(p *play) {
		second := p.step
		second.Claims, second.Process = p.cluster, "second"
		done := make(chan error)
		// It has seen the lock as long ago as the run has made it.
		go func() {
			done <- second.awaitOwnersEnded(context.Background(), CleanupOptions{Run: run, Unquiesce: time.Minute},
				Disarmed{By: handshake.ParseLock("run-1/lost/earlier-1287s")}, time.Now().Add(30*time.Second-1287*time.Second))
		}()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if p.get(handshake.LockAnnotation) == "" {
			p.annotate(handshake.LockAnnotation, lockValue("other"))
		}
	})
	if handshake.ParseLock(by).Run == "other" {
		t.Errorf("let go while %q has the claim", by)
	}
}
