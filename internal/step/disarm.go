package step

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// DisarmOptions are those of [Group.Disarm].
type DisarmOptions struct {
	Run       string
	CleanupID string        // of a cleanup in steps, if it is not the only one
	Owner     string        // that is put on the claim; "" for that of a cleanup in steps
	Timeout   time.Duration // 0 tries once
}

func (o DisarmOptions) owner() string { return cmp.Or(o.Owner, handshake.StepwiseCleanup(o.CleanupID)) }

// Disarmed is a claim on which nothing of a run is armed.
type Disarmed struct {
	Outcome outcome.Outcome // what there was to do
	Lock    Whose           // the lock that was found; "" if the claim could not be read
	By      handshake.Lock  // that lock
}

// Whose says whose lock is on a claim, in a word that a pipeline can decide by.
type Whose string

// Whose lock it is. That of a cleanup of the run is nobody's: there was none when it came.
const (
	Nobodys  Whose = "none"
	Own      Whose = "own"
	Anothers Whose = "other" // or the claim is not there, or may not be read
)

func whose(l handshake.Lock, run string) Whose {
	switch {
	case l.State == handshake.Free || l.Of(run) && l.State == handshake.Cleanup:
		return Nobodys
	case l.Of(run):
		return Own
	}
	return Anothers
}

// Disarm disarms every member, each also where another fails.
func (g Group) Disarm(ctx context.Context, o DisarmOptions) ([]Disarmed, error) {
	all := make([]Disarmed, len(g))
	errs := g.each(func(i int, s Step) (err error) {
		all[i], err = s.disarm(ctx, o)
		return err
	})
	if len(g) > 1 && WhoseAll(all) == Anothers {
		errs = g.each(func(i int, s Step) error { return s.mergeLeft(errs[i], s.notLocked(ctx, o, all[i])) })
	}
	if o.Owner == "" {
		notMarked(all, o.owner(), errs)
		g.sayWhatUnlocks(o, WhoseAll(all))
	}
	return all, g.together(errs)
}

// sayWhatUnlocks says how the lock of a cleanup in steps is taken off: it may be killed before its unlock.
func (g Group) sayWhatUnlocks(o DisarmOptions, lock Whose) {
	if lock != Own && lock != Nobodys {
		return
	}
	s := g.shared()
	s.Log.Info(s.about(s.then("locked until the application runs again, and",
		handshake.Move{Kind: handshake.MoveUnlockAfter, Run: o.Run, Cleanup: o.CleanupID})))
}

// notMarked makes it unknown whose the claims are where a cleanup in steps could not put itself on one
// of them: its unquiesce relies on that, and would end the freeze of a run that begins meanwhile. (One
// process looks again before each attempt.)
func notMarked(all []Disarmed, owner string, errs []error) {
	unmarked := false
	for i, d := range all {
		unmarked = unmarked || errs[i] != nil && d.Lock != Anothers && !d.By.Has(owner)
	}
	for i, d := range all {
		if unmarked && d.Lock != Anothers {
			all[i].Lock = ""
		}
	}
}

// notLocked takes off what disarm has put on a member of a group of which another run has a claim: no
// cleanup follows. A claim that the run itself had locked stays so.
func (s Step) notLocked(ctx context.Context, o DisarmOptions, found Disarmed) error {
	switch found.Lock {
	case Nobodys:
		return s.unlockItself(context.WithoutCancel(ctx), o.Run, o.owner(), handshake.LastRun{})
	case Own:
		return s.staysLocked(o.Run)
	}
	return nil
}

// WhoseAll is the lock of a group: another run's as soon as that of one member is, or else its own
// if that of any is: the run had locked all of them. A claim that is not there counts only where
// nothing else is known.
func WhoseAll(all []Disarmed) Whose {
	one := func(is func(d Disarmed) bool) bool { return slices.ContainsFunc(all, is) }
	switch {
	case len(all) == 0: // nobody knows which claims
		return ""
	case one(func(d Disarmed) bool { return d.Lock == Anothers && d.By.State != handshake.Free }):
		return Anothers
	case one(func(d Disarmed) bool { return d.Lock == Own }):
		return Own
	case one(func(d Disarmed) bool { return d.Lock == "" }):
		return ""
	case one(func(d Disarmed) bool { return d.Lock == Anothers }):
		return Anothers
	}
	return Nobodys
}

// disarm gives back any trigger of the run that VolSync has not recorded, and locks the claim
// for the cleanup: until unlock, nothing of the run can fire, not even by a write that is under
// way, and no other run can quiesce. It needs nothing of an earlier step, and to do it again is
// success; the outcome says what there was to do. It fails only where it cannot be sure that
// nothing stays armed.
func (s Step) disarm(ctx context.Context, o DisarmOptions) (Disarmed, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	var found Disarmed
	look := func(ctx context.Context) (observation, error) {
		st, err := s.lookAtClaim(ctx)
		if err == nil {
			found.By = st.observed.Claim.Lock
			found.Lock = whose(found.By, o.Run)
		}
		return st, err
	}
	w := handshake.Disarming{
		Run: o.Run, Lock: handshake.LockForCleanup, Process: o.owner(),
	}
	d, err := s.giveBack(ctx, loop{passes: passesInCleanup(o.Timeout == 0), look: look}, &w)
	if err == nil {
		found.Outcome = d.Outcome
		s.Log.Info(s.subject() + ": " + d.Why)
		return found, nil
	}
	nothingArmed := d.Do != handshake.Write || kube.IsNotFound(err)
	lockMayCome := found.Lock == Nobodys && w.LockInDoubt()
	if nothingArmed && lockMayCome {
		return found, s.left(outcome.LeftLocked, o.Run, &outcome.Ending{
			Outcome: outcome.Failed, Err: err,
			Why: s.about("the write of this cleanup's lock may still be under way: " + err.Error()),
		})
	}
	var refused *outcome.Ending
	if !errors.As(s.unfired(err, ""), &refused) || refused.Outcome != outcome.Refused || !nothingArmed {
		armed := endingOf(s.undecided(err, o.Run))
		if lockMayCome { // its write takes the trigger away, and locks
			armed.Hint = joinHints(armed.Hint, s.then("", handshake.Move{Kind: handshake.MoveUnlock, Run: o.Run}))
			armed.Left |= outcome.LeftLocked
		}
		return found, armed
	}
	if found.Lock == "" && (kube.IsNotFound(err) || kube.IsForbidden(err)) {
		// A run that was given the wrong name has quiesced nothing, but another may have. A Role
		// with resourceNames forbids a wrong name. A claim that pods use is not deleted before they
		// are.
		found.Lock = Anothers
		refused.Hint += "; if this is the claim of an application that is quiesced, unquiesce by hand"
	}
	return found, refused
}

// passesInCleanup returns which errors pass for a cleanup, whose account had its rights before: a
// refusal, too, for a time, because an API server that has just been started refuses until it has
// read its rules.
func passesInCleanup(once bool) func(error) bool {
	start := time.Now()
	return func(err error) bool {
		return !once && (kube.Passing(err) || kube.IsDenied(err) && time.Since(start) < graceInCleanup)
	}
}
