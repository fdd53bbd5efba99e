package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// Application is what a run freezes; quiesce.Commands and quiesce.Hold are it.
type Application interface {
	// Quiesce returns when the application is quiesced. After an error it may be, half-way.
	// When ctx ends it ends within seconds.
	Quiesce(ctx context.Context) error
	// Lost gives an error as soon as it is known that the application is not quiesced any
	// more. A nil channel: that cannot be known.
	Lost() <-chan error
	// Unquiesce lets the application run again, whatever became of Quiesce. Where it could end
	// another run's freeze it asks may before each attempt, and gives up where that says
	// [quiesce.ErrLeaveAlone]. An error that is [quiesce.ErrNotHeld] says that the application runs,
	// but was not quiesced until now. After any other it may be still quiesced.
	Unquiesce(ctx context.Context, may func(context.Context) error) error
	// UnquiesceIsScoped reports whether Unquiesce ends only what Quiesce itself has begun, and no
	// freeze of another run.
	UnquiesceIsScoped() bool
}

// Limits of a run.
type Limits struct {
	Wait      time.Duration // for VolSync to wait, with nothing quiesced; 0 looks once
	Ack       time.Duration // for VolSync to react to the trigger
	Copy      time.Duration // for VolSync to record the trigger, from when it is fired
	Freeze    time.Duration // for the application to be quiesced, from the start of quiesce until it is let go
	Unquiesce time.Duration // for unquiesce, with all its attempts
	Sync      time.Duration // for the data to be moved, with the application running
}

// longest is how long a run can live once it has locked the claim.
func (l Limits) longest() time.Duration {
	return l.Freeze + writeLimit + giveBackLimit + shortLimit + l.Unquiesce + time.Minute
}

// RunOptions are those of [Group.Run].
type RunOptions struct {
	Run      string
	App      Application
	UntilCut bool   // unquiesce already when the copy is cut
	Start    bool   // a sync of every ReplicationSource that is idle, before it waits
	Synced   bool   // await, in the end, that the data of the copies are moved
	State    string // a file that outlives the process, but not its machine; "" for none
	// OneAtATime says that an earlier attempt of the run has ended when this one begins.
	OneAtATime bool
	Limits     Limits
	Times      *Timeline // keeps when things happened; not nil
}

// Ran is what a run came to, as far as it came.
type Ran struct {
	Waiting Waiting
	Fired   Fired
	Copied  []Copied // of the members, in their order
	Synced  []Synced // likewise
}

// Run is a whole run in one process. Once quiesce has begun, whatever ends it (a failure, a
// signal, the limit of the freeze, whose timer depends on nothing else), the trigger is
// given back first if one was fired, and then the application is unquiesced.
//
// If await-waiting finds that an earlier attempt of the same run was lost, that one may
// have left the application quiesced. Then all that is done is to unquiesce it.
func (g Group) Run(ctx context.Context, o RunOptions) (Ran, error) {
	s := g.shared()
	longest := o.Limits.longest()
	if o.App.UnquiesceIsScoped() {
		longest = 0
	}
	r := &running{group: g, step: s, options: o, owner: handshake.Owner(s.Process, wholeSeconds(longest))}
	err := r.all(ctx)
	if !r.ran.Fired.At.IsZero() {
		s.sayWhoJoined(ctx)
	}
	if err == nil && o.Synced {
		r.ran.Synced, err = g.AwaitSynced(ctx, AwaitSyncedOptions{
			Trigger: r.ran.Waiting.Trigger, Timeout: o.Limits.Sync,
		})
	}
	return r.ran, err
}

// running is a run under way.
type running struct {
	group   Group
	step    Step // what its members share
	options RunOptions
	ran     Ran

	owner       string // of the lock
	fired       time.Time
	lockInDoubt bool     // a write of the lock before an unquiesce may be under way still
	lostHold    error    // why the application was not quiesced any more, although it was to be
	copied      []copied // while the application was quiesced
	verified    bool     // what was cut then is known to be recorded, or not
}

func (r *running) all(ctx context.Context) error {
	if lost, found := readLocked(r.options.State, r.options.Run); found {
		if r.letGoFirst(ctx, lost) {
			r.options.App = nil
		}
		return r.cleanUpEarlier(ctx, true)
	}
	if r.hasEarlierAttempt(ctx) {
		return r.cleanUpEarlier(ctx, r.options.OneAtATime)
	}
	err := r.prepare(ctx)
	if err != nil {
		return err
	}
	r.ran.Waiting, err = r.group.AwaitWaiting(ctx, AwaitWaitingOptions{
		Run: r.options.Run, Owner: r.owner, UntilCut: r.options.UntilCut, Start: r.options.Start,
		Timeout: r.options.Limits.Wait,
	})
	if err != nil {
		// It may not have come as far as to look, for a signal that came at once.
		if r.hasEarlierAttempt(context.WithoutCancel(ctx)) {
			return r.cleanUpEarlier(ctx, r.options.OneAtATime)
		}
		return err
	}
	r.keepLocked()
	if err = r.prepare(ctx); err != nil { // it may be another pod now
		return r.unlock(ctx, err)
	}
	err = r.unquiesce(ctx, r.quiesceAndCopy(ctx))
	uids := r.uncertain()
	if uids == nil {
		return err
	}
	if err != nil { // said now, because the trigger still has to be recorded, or given back
		r.step.Log.Error(err.Error(), "hint", hintOf(err))
	} else {
		r.step.Log.Info(r.step.subject() + ": cut; the application runs again")
	}
	err = r.step.mergeEndings(err, r.verify(ctx, uids))
	r.verified = true
	r.group.keepLastRun(context.WithoutCancel(ctx), r.lastRuns(err))
	return err
}

// uncertain are the uids of the copies that were cut, and of which it is not known yet whether
// VolSync records them; nil if there is none.
func (r *running) uncertain() []string {
	var uids []string
	found := false
	for _, c := range r.ran.Copied {
		found = found || c.Copy != "" && c.Copy != Recorded
		uids = append(uids, c.Copy)
	}
	if !found {
		return nil
	}
	return uids
}

// hasEarlierAttempt reports whether an attempt of this run has been here before: it may have
// left the application quiesced. Where that cannot be read, await-waiting will say why.
func (r *running) hasEarlierAttempt(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	sts, _ := r.group.lookAtClaims(ctx)
	return slices.ContainsFunc(sts, func(st observation) bool {
		return handshake.HasEarlierAttempt(st.observed.Claim, r.options.Run)
	})
}

// cleanUpEarlier is all that is done where an earlier attempt of this run was lost. Whatever
// still lives of that one can neither fire nor take a copy for good once the claim is locked for
// the cleanup; what it has fired before that is given back. ended says that nothing lives of it.
func (r *running) cleanUpEarlier(ctx context.Context, ended bool) error {
	s, o := r.step, r.options
	s.Log.Warn("an earlier attempt of this run may have left the application quiesced")
	o.Times.mark(unquiesceBegins)
	let := "the application was not let go" // why follows
	_, err := r.group.cleanUp(ctx, CleanupOptions{
		Run: o.Run, App: o.App, Unquiesced: o.App == nil, Unquiesce: o.Limits.Unquiesce, RunEnded: ended,
		RunsAgain: func() {
			let = "the application was let go"
			o.Times.mark(runsAgain)
			forgetLocked(o.State, o.Run)
		},
	})
	fired := "what it had fired was given back, and "
	if leftBy(err)&outcome.LeftArmed != 0 {
		fired = ""
	}
	return s.mergeEndings(err, &outcome.Ending{
		Outcome: outcome.Tainted,
		Why:     s.about("an earlier attempt of this run was lost, or could not clean up; " + fired + let),
		Hint:    "do not use a copy of that attempt; start again",
	})
}

// mergeEndings joins what two parts of a run ended with: the first says how, unless the trigger
// may still be armed by the second, or the first is only something to clean up. What to do about
// something that is left behind comes first.
func (s Step) mergeEndings(first, second error) error {
	if first == nil || second == nil {
		return cmp.Or(first, second)
	}
	a, b := endingOf(first), endingOf(second)
	switch {
	case b.Outcome == outcome.Tainted && a.Outcome != outcome.Tainted, a.Outcome == outcome.Failed:
		a, b = b, a
	}
	hint := joinHints(a.Hint, b.Hint)
	if a.Left == 0 && b.Left != 0 {
		hint = joinHints(b.Hint, a.Hint)
	}
	return &outcome.Ending{
		Outcome: a.Outcome, Left: a.Left | b.Left, Err: errors.Join(first, second),
		Why: s.about(a.Why, b.Why), Hint: hint,
	}
}

// mergeLeft is mergeEndings where the second matters only for what it leaves behind.
func (s Step) mergeLeft(first, second error) error {
	if first != nil && leftBy(second) == 0 {
		return first
	}
	return s.mergeEndings(first, second)
}

// quiesceAndCopy is everything between the start of quiesce and that of unquiesce.
func (r *running) quiesceAndCopy(ctx context.Context) error {
	s, o := r.step, r.options
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limits.Freeze, tooLong{o.Limits.Freeze})
	defer cancel()
	limited := ctx // what follows makes another of it
	stop := context.AfterFunc(limited, func() {
		if up := (tooLong{}); errors.As(context.Cause(limited), &up) {
			r.tellFrozen(up.Error())
		}
	})
	defer stop()
	o.Times.mark(quiesceBegins)
	s.Log.Info("quiescing the application")
	if err := o.App.Quiesce(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return s.unfired(fmt.Errorf("%w: %w", cause, err), "quiesce to end")
		}
		return &outcome.Ending{
			Outcome: outcome.Refused, Err: err,
			Why:  s.about("quiesce failed, so nothing was fired: " + err.Error()),
			Hint: "see why in its output above; then start another run",
		}
	}
	o.Times.mark(quiesced)
	ctx, end := r.whileHeld(ctx)
	defer end()
	return r.copy(ctx)
}

// whileHeld is a context that ends, too, when the application is not quiesced any more.
func (r *running) whileHeld(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case err := <-r.options.App.Lost():
			r.lostHold = err
			cancel(&outcome.Ending{
				Outcome: outcome.Refused, Err: err, Why: r.step.about(err.Error()),
				Hint: "see why in its output above; then start another run",
			})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// copy fires, and waits for the copy.
func (r *running) copy(ctx context.Context) error {
	o, t := r.options, r.ran.Waiting.Trigger
	f, err := r.group.fireOnce(ctx, FireTriggerOptions{Trigger: t})
	r.ran.Fired = f
	if err != nil {
		return err
	}
	r.fired = time.Now()
	o.Times.mark(fired)
	r.copied, err = r.group.await(ctx, AwaitCompletedOptions{
		Trigger: t, UntilCut: o.UntilCut, Syncs: f.Syncs, Timeout: o.Limits.Copy, Ack: o.Limits.Ack,
	}, handshake.Seen{Fired: true}, o.Times)
	return err
}

// unquiesce lets the application run after a freeze that ended with err, and unlocks the claim.
// No signal and no limit but its own ends it.
func (r *running) unquiesce(ctx context.Context, err error) error {
	s, o := r.step, r.options
	ctx = context.WithoutCancel(ctx)
	o.Times.mark(unquiesceBegins)
	uerr := s.unquiesce(ctx, o.App, o.Limits.Unquiesce, r.mayUnquiesce(r.owner))
	if uerr == nil && r.lostHold != nil {
		uerr = fmt.Errorf("%w: %w", quiesce.ErrNotHeld, r.lostHold)
	}
	var notOurs *outcome.Ending
	switch {
	case errors.Is(uerr, quiesce.ErrLeaveAlone) && errors.As(uerr, &notOurs):
		return r.unlock(ctx, s.mergeEndings(err, notOurs)) // of what this run still has
	case errors.Is(uerr, quiesce.ErrNotHeld):
		err = r.notHeld(err, uerr)
	case uerr != nil:
		if !quiesce.MayGoOn(uerr) && !o.App.UnquiesceIsScoped() && !r.lockInDoubt {
			r.group.endOwner(ctx, o.Run, r.owner)
		}
		return r.stillFrozen(err, uerr)
	}
	o.Times.mark(runsAgain)
	// Only now: who finds the claim locked must take the application for quiesced.
	return r.unlock(ctx, err)
}

// unlock unlocks the claim after a run that ended with err, and whose application runs.
func (r *running) unlock(ctx context.Context, err error) error {
	s, o := r.step, r.options
	ctx = context.WithoutCancel(ctx)
	forgetLocked(o.State, o.Run) // before somebody else can have the claim
	r.ran.Copied = told(r.copied, err)
	if lerr := r.takeLockOff(ctx, r.lastRuns(err)); lerr != nil {
		stays := *endingOf(lerr) // only something to clean up
		stays.Outcome = outcome.Failed
		err = s.mergeEndings(err, &stays)
	}
	return err
}

func (r *running) takeLockOff(ctx context.Context, lasts []handshake.LastRun) error {
	g, run := r.group, r.options.Run
	if r.lockInDoubt {
		return g.fenceLock(ctx, run, r.owner)
	}
	return g.together(g.each(func(i int, s Step) error { return s.unlockItself(ctx, run, r.owner, lasts[i]) }))
}

// mayUnquiesce is asked before each attempt. Where the lock cannot be read the first one is made
// all the same: the run had it a moment ago, and a cleanup waits until the run's limits have
// passed before it unlocks.
func (r *running) mayUnquiesce(owner string) func(context.Context) error {
	first := true
	return func(ctx context.Context) error {
		err := r.group.mayUnquiesce(ctx, handshake.Unquiescing{Run: r.options.Run, Process: owner})
		r.lockInDoubt = r.lockInDoubt || errors.Is(err, errLockInDoubt)
		if errors.Is(err, errLockUnread) && first {
			err = nil
		}
		first = false
		return err
	}
}

// hintOf is the next move that an error carries; "" if none.
func hintOf(err error) string {
	var ending *outcome.Ending
	if errors.As(err, &ending) {
		return ending.Hint
	}
	return ""
}

// notHeld is the end of a run whose application was not quiesced until the end. Only if there is
// certainly no copy that does not matter for the outcome; it is told all the same, for what was lost
// may go on in a pod.
func (r *running) notHeld(err, lost error) error {
	s := r.step
	if err == nil {
		return &outcome.Ending{
			Outcome: outcome.Unverified, Err: lost,
			Why:  s.about("VolSync copied, but " + lost.Error()),
			Hint: outcome.Unverified.Next(),
		}
	}
	ending := *endingOf(err)
	if ending.Outcome == outcome.Tainted {
		ending.Outcome, ending.Err = outcome.Unverified, err
	}
	if r.lostHold == nil || !strings.Contains(ending.Why, r.lostHold.Error()) {
		ending.Why = s.about(ending.Why, lost.Error())
	}
	return &ending
}

// stillFrozen is the end of a run that could not let the application go. Whatever else there
// is to say, this is what somebody has to act on.
func (r *running) stillFrozen(err, uerr error) error {
	s := r.step
	r.ran.Copied = told(r.copied, err)
	r.tellFrozen("unquiesce failed: " + uerr.Error())
	frozen := &outcome.Ending{
		Outcome: outcome.Unverified, Err: errors.Join(err, uerr), Why: s.about("unquiesce failed: " + uerr.Error()),
	}
	what := outcome.LeftFrozen | outcome.LeftLocked
	if err != nil {
		ending := endingOf(err)
		frozen.Outcome, what = ending.Outcome, what|ending.Left
		frozen.Why = s.about(frozen.Why, ending.Why)
		frozen.Hint = cmp.Or(ending.Hint, ending.Outcome.Next())
	}
	return s.left(what, r.options.Run, frozen)
}

// verify waits, with the application running, until VolSync records the copies that were cut.
func (r *running) verify(ctx context.Context, uids []string) error {
	limits := r.options.Limits
	left := max(limits.Copy-time.Since(r.fired), time.Second)
	cs, err := r.group.await(ctx, AwaitCompletedOptions{
		Trigger: r.ran.Waiting.Trigger, Copies: uids, Syncs: r.ran.Fired.Syncs, Timeout: left,
	}, handshake.Seen{}, r.options.Times)
	for i, c := range cs {
		if err == nil && uids[i] != Recorded {
			r.ran.Copied[i].Took, r.ran.Copied[i].CutTime = time.Since(r.fired), c.CutTime
		}
	}
	return err
}

// tooLong is the cause of a freeze that lasted too long.
type tooLong struct{ after time.Duration }

func (t tooLong) Error() string {
	return fmt.Sprintf("the application has been quiesced for %s, the limit of --max-freeze", t.after)
}
