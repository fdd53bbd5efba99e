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
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
)

// CleanupOptions are those of [Group.Cleanup].
type CleanupOptions struct {
	Run       string
	App       Application   // nil where none is left quiesced
	Selector  string        // of pods that could quiesce again; "" for none
	Wait      time.Duration // for the end of these pods; then it goes on, and ends with an error
	Unquiesce time.Duration // for unquiesce, with all its attempts
	RunEnded  bool          // the run has no process any more

	Unquiesced bool   // the application has been let run already
	RunsAgain  func() // called when the application runs, before the claims are unlocked; nil for none
}

// Cleanup ends a run that was lost, in this order: its trigger, because VolSync might take one
// that is armed when the application runs again; the application; its lock. If another run has
// locked a claim, this one has not quiesced it, and its application is left alone; and none
// can lock it meanwhile. If there is no such claim, or it may not be read, the run was given a
// wrong name, and has quiesced nothing. If nobody knows whose lock it is, the application is left
// as it is, and the cleanup is to be repeated. No signal ends a cleanup before the application runs.
func (g Group) Cleanup(ctx context.Context, o CleanupOptions) ([]Disarmed, error) {
	var waited error
	s := g.shared()
	if o.Selector != "" {
		waited = s.AwaitPodsEnded(ctx, AwaitPodsEndedOptions{Selector: o.Selector, Timeout: o.Wait})
		if waited != nil {
			s.Log.Warn(waited.Error(), "hint", hintOf(waited))
		}
		o.RunEnded = o.RunEnded || waited == nil
	}
	found, err := g.cleanUp(ctx, o)
	if err == nil || waited == nil {
		return found, cmp.Or(err, waited)
	}
	pods := *endingOf(waited)
	pods.Outcome = endingOf(err).Outcome // how the cleanup itself has ended says more
	return found, s.mergeEndings(err, &pods)
}

// cleanUp is a cleanup once no pod can quiesce any more. What a start-sync has left comes last: for it
// no application waits.
func (g Group) cleanUp(ctx context.Context, o CleanupOptions) ([]Disarmed, error) {
	found, err := g.endRun(ctx, o)
	return found, g.shared().mergeEndings(err, g.putBackLost(ctx, o.Run))
}

// endRun is what there is to do on the claims.
func (g Group) endRun(signalled context.Context, o CleanupOptions) ([]Disarmed, error) {
	s, ctx := g.shared(), context.WithoutCancel(signalled)
	disarming := max(disarmLimit, o.Unquiesce)
	me := handshake.Owner(s.Process, wholeSeconds(disarming+o.Unquiesce+disarmLimit))
	found, err := g.Disarm(ctx, DisarmOptions{Run: o.Run, Owner: me, Timeout: disarming})
	start, lock := time.Now(), WhoseAll(found)
	unlock := func(i int, s Step) error {
		if err := s.unlockItself(ctx, o.Run, me, handshake.LastRun{}); err != nil {
			return err
		}
		return s.awaitOwnersEnded(signalled, o, found[i], start)
	}
	switch {
	case lock == "" && o.App != nil:
		return found, s.notKnownWhose(o.Run, err)
	case err != nil: // said now, because the application is let go all the same
		s.Log.Error(err.Error(), "hint", hintOf(err))
	}
	if lock == Anothers {
		return found, s.mergeLeft(g.leaveAlone(ctx, o.Run, me, found, unlock), err)
	}
	if o.App == nil && !o.Unquiesced && mayBeFrozen(found) {
		g.endOwner(ctx, o.Run, me)
		e := s.left(outcome.LeftFrozen|outcome.LeftLocked|leftBy(err), o.Run, &outcome.Ending{
			Outcome: outcome.Failed, Err: err,
			Why: s.about("the run had quiesced the application by a command, and nobody says how it is let run again"),
		})
		e.Hint += s.then("; or, in place of both, with its --unquiesce CMD, and --in-pod if it had that",
			handshake.Move{Kind: handshake.MoveCleanup, Run: o.Run})
		return found, e
	}
	var uerr error
	if o.App != nil {
		if uerr = g.unquiesceLost(ctx, o, me, err); uerr != nil && lock != Nobodys {
			if !quiesce.MayGoOn(uerr) {
				g.endOwner(ctx, o.Run, me)
			}
			return found, uerr // the run itself may have locked it: it stays so
		}
	}
	if o.RunsAgain != nil && uerr == nil {
		o.RunsAgain()
	}
	errs := g.errorsOf(err)
	err = g.together(g.each(func(i int, s Step) error { return s.mergeLeft(errs[i], unlock(i, s)) }))
	return found, cmp.Or(uerr, err) // uerr says itself that the claims may stay locked
}

// mayBeFrozen reports whether the run that had locked a claim may have left the application
// quiesced. A hold has not: it ended with its process.
func mayBeFrozen(found []Disarmed) bool {
	return slices.ContainsFunc(found, func(d Disarmed) bool {
		return d.Lock == Own && mayNeedUnquiesce(d.By)
	})
}

// notKnownWhose is the end of a cleanup that could not read the lock. To let the application run
// might end another run's freeze, whose copy would then be taken for good.
func (s Step) notKnownWhose(run string, err error) error {
	return &outcome.Ending{
		Outcome: outcome.Tainted, Left: outcome.LeftFrozen, Err: err,
		Why: s.about("it was not let go, because it is not known whether another run has quiesced it: " + err.Error()),
		Hint: s.then("as soon as the API server answers, the cleanup again, with its --unquiesce",
			handshake.Move{Kind: handshake.MoveCleanup, Run: run}),
	}
}

// awaitOwnersEnded waits until the processes of the run that had put the lock on before the
// cleanup have ended: each may have an unquiesce under way, which would end another run's freeze.
// It takes off those that are dead, or harmless: the run's own if that is known to have ended, and
// the others when their own limit has passed, since the cleanup has seen them first.
func (s Step) awaitOwnersEnded(ctx context.Context, o CleanupOptions, by Disarmed, start time.Time) error {
	found := by.By
	if !found.Of(o.Run) {
		return nil
	}
	dead, alive, longest := "", []string(nil), time.Duration(0)
	for _, owner := range strings.Split(found.Owners, "/") {
		seconds, limited := handshake.OwnerSeconds(owner)
		limit := time.Duration(seconds) * time.Second
		switch {
		case o.RunEnded && owner == found.Own(), limited && limit == 0, handshake.OwnerHasEnded(owner):
			dead += "/" + owner
			continue
		case !limited:
			limit = o.Unquiesce
		}
		alive = append(alive, owner)
		longest = max(longest, limit)
	}
	if dead != "" {
		if err := s.unlockItself(context.WithoutCancel(ctx), o.Run, dead, by.lostRun(o.Run)); err != nil {
			return err
		}
	}
	if len(alive) == 0 {
		return nil
	}
	return s.outlive(ctx, by.lostRun(o.Run), alive, max(longest-time.Since(start), time.Second))
}

// outlive waits until the owners have taken themselves off, and takes them off when they cannot be
// alive any more.
func (s Step) outlive(ctx context.Context, last handshake.LastRun, owners []string, longest time.Duration) error {
	run := last.Run
	unlock := handshake.Move{Kind: handshake.MoveUnlock, Run: run}
	why := fmt.Sprintf("%s: another process of run %s may still let the application run, for at most %s, "+
		"so the claim stays locked until then; %s",
		s.subject(), run, longest.Round(time.Second), s.then("if it is surely dead", unlock))
	limited, cancel := limit(ctx, longest)
	defer cancel()
	gaveUp := false
	_, err := s.wait(limited, false, wait{lenient: true, claimOnly: true, look: s.lookAtClaim,
		decide: func(_ context.Context, st observation) (bool, string, error) {
			l := st.observed.Claim.Lock
			has := func(owner string) bool { return l.Of(run) && l.Has(owner) }
			gaveUp = slices.ContainsFunc(owners, func(owner string) bool { return has(handshake.EndedOwner(owner)) })
			return gaveUp || !slices.ContainsFunc(owners, has), why, nil
		}})
	if err != nil && !kube.IsNotFound(err) {
		<-limited.Done() // that it could not look any more does not mean that they are dead
	}
	switch {
	case gaveUp:
		// It may have quiesced the application after the cleanup has let it run.
		return &outcome.Ending{
			Outcome: outcome.Failed, Left: outcome.LeftFrozen | outcome.LeftLocked,
			Why:  s.about("run " + run + " still lived, and has ended meanwhile without letting the application run"),
			Hint: s.then("the cleanup again, with its --unquiesce", handshake.Move{Kind: handshake.MoveCleanup, Run: run}),
		}
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &outcome.Ending{
			Outcome: outcome.Failed, Left: outcome.LeftLocked, Err: context.Cause(ctx),
			Why:  s.about(fmt.Sprintf("the application runs, and the claim stays locked: %v", context.Cause(ctx))),
			Hint: s.then("if no process of run "+run+" lives any more", unlock),
		}
	}
	return s.unlockItself(context.WithoutCancel(ctx), run, strings.Join(owners, "/"), last)
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// leaveAlone is the end of a cleanup of a group of which another run has locked a member. What the
// cleanup itself has put on the others is taken off; what the run itself had locked stays so.
func (g Group) leaveAlone(
	ctx context.Context, run, me string, found []Disarmed, unlock func(i int, s Step) error,
) error {
	return g.together(g.each(func(i int, s Step) error {
		switch found[i].Lock {
		case Anothers:
			return s.leftAlone(found[i].By)
		case Own:
			s.endOwner(ctx, run, me)
			return s.staysLocked(run)
		}
		return unlock(i, s)
	}))
}

// staysLocked is the end of a cleanup for a claim that the run itself had locked, of a group of which
// another run has a claim: the application is not unquiesced.
func (s Step) staysLocked(run string) error {
	return s.left(outcome.LeftFrozen|outcome.LeftLocked, run, &outcome.Ending{
		Outcome: outcome.Failed, Why: s.about("it was not unlocked, because another run has another claim of the group"),
	})
}

// leftAlone is the end of a cleanup that found the lock of another run.
func (s Step) leftAlone(by handshake.Lock) error {
	switch by.State {
	case handshake.Free: // there is no such claim, or it may not be read
		return nil
	case handshake.Held:
		s.Log.Info(s.subject() + ": another run has locked the claim, and its application is left alone")
		return nil
	}
	return &outcome.Ending{
		Outcome: outcome.Failed,
		Why: fmt.Sprintf("%s: the cleanup of run %s has not ended, and the application is left alone",
			s.subject(), by.Run),
		Hint: s.then("again in a moment; if nothing cleans up any more, first",
			handshake.Move{Kind: handshake.MoveCleanup, Run: by.Run}),
	}
}

// unquiesceLost lets the application of a lost run go. err is what went wrong until then.
func (g Group) unquiesceLost(ctx context.Context, o CleanupOptions, me string, err error) error {
	s := g.shared()
	uerr := s.unquiesce(ctx, o.App, o.Unquiesce, func(ctx context.Context) error {
		return g.mayUnquiesce(ctx, handshake.Unquiescing{Run: o.Run, Process: me, Cleanup: true})
	})
	switch {
	case errors.Is(uerr, quiesce.ErrNotHeld):
		s.Log.Info(s.subject() + ": the application was not quiesced any more")
		return nil
	case errors.Is(uerr, quiesce.ErrLeaveAlone):
		s.Log.Warn(s.about(uerr.Error()))
		return nil
	case uerr == nil:
		return nil
	}
	what := outcome.LeftFrozen | outcome.LeftLocked
	if err != nil {
		what |= outcome.LeftArmed
	}
	return s.left(what, o.Run, &outcome.Ending{
		Outcome: outcome.Failed, Err: errors.Join(uerr, err), Why: s.about("unquiesce failed: " + uerr.Error()),
	})
}

func (s Step) unquiesce(
	ctx context.Context, app Application, limit time.Duration, may func(context.Context) error,
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{limit})
	defer cancel()
	s.Log.Info("unquiescing the application")
	return app.Unquiesce(ctx, may)
}

// mayUnquiesce makes sure that an attempt of the owner to unquiesce ends no other run's freeze, of
// whichever member.
func (g Group) mayUnquiesce(ctx context.Context, u handshake.Unquiescing) error {
	errs := g.each(func(_ int, s Step) error { return s.mayUnquiesce(ctx, u) })
	for _, err := range errs {
		if errors.Is(err, quiesce.ErrLeaveAlone) {
			return err
		}
	}
	return cmp.Or(errs...)
}

// mayUnquiesce makes sure that an attempt of the owner to unquiesce ends no other run's freeze. Its
// error is [quiesce.ErrLeaveAlone] where it would.
func (s Step) mayUnquiesce(ctx context.Context, u handshake.Unquiescing) error {
	ctx, cancel := context.WithTimeout(ctx, shortLimit)
	defer cancel()
	never := func(error) bool { return false }
	d, err := s.apply(ctx, loop{passes: never}, &u)
	switch {
	case kube.IsNotFound(err): // then no run is in its freeze
		return nil
	case err != nil && u.Doubt():
		return fmt.Errorf("%w: %w: %w", errLockUnread, errLockInDoubt, err)
	case err != nil:
		return fmt.Errorf("%w: %w", errLockUnread, err)
	case d.Outcome == outcome.OK:
		return nil
	}
	return fmt.Errorf("%w: %w", quiesce.ErrLeaveAlone,
		&outcome.Ending{Outcome: outcome.Unverified, Why: s.about(d.Why), Hint: s.hint(d)})
}

// errLockInDoubt says that a write of the lock may still be under way.
var errLockInDoubt = errors.New("its write may be under way still")

// errLockUnread says that it is not known whose freeze an unquiesce would end.
var errLockUnread = errors.New("whose lock is on the claim is not known")
