package step

import (
	"cmp"
	"context"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// AwaitWaitingOptions are those of [Step.AwaitWaiting].
type AwaitWaitingOptions struct {
	Run      string
	Owner    string        // of the lock; "" for the process
	UntilCut bool          // the application is to run again at the cut; needs copyMethod Snapshot
	Timeout  time.Duration // 0 looks once
}

// Waiting is a claim that VolSync waits on.
type Waiting struct {
	Trigger handshake.Trigger // to fire
	Since   string            // when VolSync began to wait, as it says
	Source  string            // the ReplicationSource; "" with claim-only
}

// AwaitWaiting waits until VolSync waits for the trigger, so that the application may be
// quiesced, and locks the claim. Whatever would make the later steps fail is refused here,
// while nothing is frozen yet.
func (s Step) AwaitWaiting(ctx context.Context, o AwaitWaitingOptions) (Waiting, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	if err := s.mayFire(ctx, o.Run, o.Timeout == 0); err != nil {
		return Waiting{}, s.unfired(err, "")
	}
	var found Waiting
	cautioned := false
	reason, err := s.wait(ctx, o.Timeout == 0, wait{decide: func(ctx context.Context, st state) (bool, string, error) {
		if !cautioned {
			cautioned = true
			s.warnOf(st.world)
		}
		if no := handshake.NoCut(st.world); o.UntilCut && no.Outcome != outcome.OK {
			return true, no.Why, s.ending(no)
		}
		d := handshake.Await(st.world, o.Run)
		switch {
		case d.Do == handshake.Write:
			return false, "for the take-back of this run's trigger", s.takeBack(ctx, o.Run)
		case d.Do == handshake.Look:
			return false, s.waitsFor(d), nil
		case d.Outcome != outcome.OK:
			return true, d.Why, s.ending(d)
		}
		l, err := s.lock(ctx, handshake.Locking{
			Run: o.Run, Process: cmp.Or(o.Owner, s.Process), Wait: d.Wait,
		}, o.Timeout == 0)
		if err != nil || l.Do == handshake.Look {
			return false, s.waitsFor(l), err
		}
		found = Waiting{handshake.NewTrigger(o.Run, d.Wait), d.Wait.Since, sourceName(st.world)}
		return true, d.Why, nil
	}})
	return found, s.unfired(err, reason)
}

func (s Step) warnOf(w handshake.World) {
	for _, c := range handshake.Cautions(w) {
		s.Log.Warn(s.subject() + ": " + c)
	}
}

// mayFire tries the writes that this step, fire-trigger and disarm will do. Only a clear no
// counts: there are admission webhooks that refuse whatever is only a try.
func (s Step) mayFire(ctx context.Context, run string, once bool) error {
	passes := func(err error) bool { return kube.IsConflict(err) || unless(once)(err) }
	err := s.persist(ctx, passes, func(ctx context.Context) error {
		try := handshake.Try(run)
		got, err := s.Claims.MayAnnotate(ctx, s.Claim, try.Annotations())
		if err != nil {
			return err
		}
		if what := try.Altered(readClaim(got)); what != "" {
			return &altered{what: what}
		}
		return nil
	})
	if err != nil && kube.IsInvalid(err) {
		s.Log.Warn(s.subject() + ": not checked whether it may be annotated: " + err.Error())
		return nil
	}
	return err
}

// takeBack is the disarm of an attempt of this run that finds the trigger of an earlier
// one in flight. Whatever it changes is an event, after which we look again.
func (s Step) takeBack(ctx context.Context, run string) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, loop{passes: lenient}, &handshake.Disarming{Run: run})
	switch {
	case err != nil:
		return s.undecided(err, run)
	case d.Outcome == outcome.Withdrawn:
		s.Log.Warn(s.subject() + ": an earlier attempt of this run was lost after it had fired: " + d.Why)
		return nil
	}
	return s.ending(d)
}

// lock locks the claim for the run. A decision to look again says what there is to wait for
// before it can be locked. Then, and if it fails, the claim is not locked: neither by a write
// whose reply was lost, nor by one that a signal came in the middle of.
func (s Step) lock(ctx context.Context, l handshake.Locking, once bool) (handshake.Decision, error) {
	d, err := s.apply(ctx, loop{passes: unless(once), whole: true}, &l)
	locked := err == nil && d.Do != handshake.Look && d.Outcome == outcome.OK
	switch {
	case locked && ctx.Err() != nil:
		return d, s.lockedNot(ctx, l.Run, l.Process, context.Cause(ctx))
	case !locked && l.Doubt() && (err != nil || d.Do == handshake.Look):
		return d, s.lockedNot(ctx, l.Run, l.Process, err)
	case err == nil && d.Do == handshake.End:
		err = s.ending(d)
	}
	return d, err
}

// lockedNot makes sure that the claim is not locked, and returns why it must not be, nil for none.
func (s Step) lockedNot(ctx context.Context, run, owner string, why error) error {
	err := s.fenceLock(ctx, run, owner)
	if err == nil {
		return why
	}
	ending := *endingOf(s.unfired(cmp.Or(why, err), ""))
	ending.Why = s.about(ending.Why, "its lock could not be taken off: "+err.Error())
	return s.left(outcome.LeftLocked, run, &ending)
}

// fenceLock makes sure that the owner has no lock on the claim, not even by a write that is under
// way: it changes the claim, and takes off what is there then.
func (s Step) fenceLock(ctx context.Context, run, owner string) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	w := handshake.Disarming{Run: run, Lock: handshake.LockForCleanup, Process: handshake.Fence}
	_, err := s.apply(ctx, loop{passes: lenient}, &w)
	if err == nil {
		_, err = s.apply(ctx, loop{passes: lenient}, &handshake.Unlocking{Run: run, Off: owner})
	}
	return err
}

// waitsFor is what a wait says that goes on after a decision.
func (s Step) waitsFor(d handshake.Decision) string {
	if hint := s.hint(d); hint != "" {
		return s.about(d.Why, hint)
	}
	return s.about(d.Why)
}

func sourceName(w handshake.World) string {
	if len(w.Sources) == 1 {
		return w.Sources[0].Name
	}
	return ""
}
