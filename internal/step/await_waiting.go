package step

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// AwaitWaitingOptions are those of [Group.AwaitWaiting].
type AwaitWaitingOptions struct {
	Run      string
	Owner    string        // of the lock; "" for the process
	UntilCut bool          // the application is to run again at the cut; needs copyMethod Snapshot
	Start    bool          // a sync of every ReplicationSource that is idle
	Timeout  time.Duration // 0 looks once
}

// Waiting is a group that VolSync waits on.
type Waiting struct {
	Trigger handshake.Trigger // to fire; zero where it does not wait
	Members []WaitingOn       // in the order of their names
}

// WaitingOn is a claim that VolSync waits on.
type WaitingOn struct {
	Claim  string
	Since  string // when VolSync began to wait, as it says
	Source string // the ReplicationSource; "" with claim-only
}

// AwaitWaiting waits until VolSync waits for the trigger on all claims at the same time, so that the
// application may be quiesced, and locks them, all or none. Whatever would make the later steps
// fail is refused here, while nothing is frozen yet.
func (g Group) AwaitWaiting(ctx context.Context, o AwaitWaitingOptions) (Waiting, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	o.Owner = cmp.Or(o.Owner, g.shared().Process)
	if err := g.prepare(ctx, o); err != nil {
		return Waiting{}, err
	}
	var (
		found Waiting
		last  []observation
	)
	reason, err := g.wait(ctx, o.Timeout == 0, groupWait{
		ends: func(sts []observation) bool {
			ds, _ := g.awaits(o, sts)
			d, _ := handshake.Together(ds)
			return d.Do == handshake.End
		},
		decide: func(ctx context.Context, sts []observation) (done bool, why string, err error) {
			if last == nil {
				for i, s := range g {
					s.warnOf(sts[i].observed)
				}
			}
			last = sts
			found, done, why, err = g.awaited(ctx, o, sts)
			return done, why, err
		},
	})
	return found, g.hintToStart(g.shared().unfired(err, reason), last)
}

// hintToStart gives a wait that has timed out the hint that a sync can be started, where none runs.
func (g Group) hintToStart(err error, last []observation) error {
	rests := func(st observation) bool { return handshake.Rests(st.observed) }
	if err == nil || endingOf(err).Outcome != outcome.TimedOut || !slices.ContainsFunc(last, rests) {
		return err
	}
	ending := *endingOf(err)
	ending.Hint = g.shared().then("this attempt has fired nothing; raise --timeout, or begin a sync now, "+
		"by --start-sync or beforehand", handshake.Move{Kind: handshake.MoveStartSync})
	return &ending
}

// prepare tries the writes of the run, and starts the syncs if that is asked for.
func (g Group) prepare(ctx context.Context, o AwaitWaitingOptions) error {
	if !o.Start {
		return g.mayFire(ctx, o.Run, o.Timeout == 0)
	}
	_, err := g.StartSync(ctx, StartSyncOptions{Run: o.Run, Timeout: o.Timeout}) // it tries them itself
	return err
}

// awaited decides about one look at all members, and locks them where all wait.
func (g Group) awaited(ctx context.Context, o AwaitWaitingOptions, sts []observation) (Waiting, bool, string, error) {
	ds, errs := g.awaits(o, sts)
	for i, err := range g.takeBack(ctx, o.Run, ds, sts) {
		errs[i] = cmp.Or(errs[i], err)
	}
	switch d, _ := handshake.Together(ds); {
	case d.Do == handshake.Write:
		return Waiting{}, false, "for the take-back of this run's trigger", g.together(errs)
	case d.Do == handshake.Look:
		return Waiting{}, false, g.waitsFor(ds), nil
	case d.Outcome != outcome.OK:
		return Waiting{}, true, d.Why, g.together(g.refuseAll(errs))
	}
	if err := g.stillSelected(ctx, o.Timeout == 0); err != nil {
		return Waiting{}, true, "for the claims to be listed", err
	}
	done, why, err := g.lock(ctx, o, ds, sts)
	if !done || err != nil {
		return Waiting{}, false, why, err
	}
	found := Waiting{Trigger: handshake.NewTrigger(o.Run, handshake.Waits(ds)...)}
	for i, s := range g {
		found.Members = append(found.Members, WaitingOn{s.Claim, ds[i].Wait.Since, sourceName(sts[i].observed)})
	}
	return found, true, "", nil
}

// awaits are the decisions about each member, and the endings of those that end badly.
func (g Group) awaits(o AwaitWaitingOptions, sts []observation) (ds []handshake.Decision, errs []error) {
	for i, s := range g {
		d := handshake.Await(sts[i].observed, o.Run)
		left := d.Do == handshake.Write || d.Outcome == outcome.Tainted // by an earlier attempt: that comes first
		if no := handshake.NoCut(sts[i].observed); o.UntilCut && !left && no.Outcome != outcome.OK {
			d = no
		}
		ds, errs = append(ds, d), append(errs, s.endingOfEnd(d))
	}
	return ds, errs
}

// lock locks the members, one after the other in the order of their names: so of two runs whose
// groups overlap one goes on. Where one is not to be locked, the others are given back. Each is
// decided about as it was seen: if it has changed since, the write fails.
func (g Group) lock(
	ctx context.Context, o AwaitWaitingOptions, ds []handshake.Decision, sts []observation,
) (bool, string, error) {
	for i, s := range g {
		l := handshake.Locking{Run: o.Run, Process: o.Owner, Wait: ds[i].Wait}
		d, err := s.lock(ctx, l, &sts[i], o.Timeout == 0)
		if err == nil && d.Do != handshake.Look {
			continue
		}
		if i == 0 {
			return false, s.waitsFor(d), err
		}
		given, cancel := afterwards(ctx)
		defer cancel()
		if lerr := g[:i].unlockItself(given, o.Run, o.Owner); lerr != nil {
			err = g.shared().mergeEndings(g.shared().unfired(err, ""), lerr)
		}
		return false, s.waitsFor(d), err
	}
	return true, "", nil
}

// endingOfEnd is the ending by a decision; nil for one that ends nothing, or well.
func (s Step) endingOfEnd(d handshake.Decision) error {
	if d.Do != handshake.End {
		return nil
	}
	return s.ending(d)
}

// waitsFor says what the members are being waited for: each that does not wait yet.
func (g Group) waitsFor(ds []handshake.Decision) string {
	var why []string
	for i, d := range ds {
		if d.Do == handshake.Look {
			why = append(why, g[i].waitsFor(d))
		}
	}
	return strings.Join(some(why), "; ")
}

func (s Step) warnOf(w handshake.Observed) {
	for _, c := range handshake.Cautions(w) {
		s.Log.Warn(s.subject() + ": " + c.Why)
	}
}

// mayFire tries the writes that this step, fire-trigger and disarm will do. Only a clear no
// counts: there are admission webhooks that refuse whatever is only a try.
func (s Step) mayFire(ctx context.Context, run string, once bool) error {
	err := s.tryToFire(ctx, run, once)
	if err != nil && kube.IsBadRequest(err) {
		s.Log.Warn(s.subject() + ": not checked whether it may be annotated: " + err.Error())
		return nil
	}
	return err
}

// mayFire does it for every member.
func (g Group) mayFire(ctx context.Context, run string, once bool) error {
	tried := g.each(func(_ int, s Step) error { return s.unfired(s.mayFire(ctx, run, once), "") })
	return g.together(g.refuseAll(tried))
}

// tryToFire returns why trigger and lock cannot be written.
func (s Step) tryToFire(ctx context.Context, run string, once bool) error {
	passes := func(err error) bool { return kube.IsConflict(err) || unless(once)(err) }
	return s.persist(ctx, passes, func(ctx context.Context) error {
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
}

// takeBack does it for every member that is to be written, also where the group is refused for another.
func (g Group) takeBack(ctx context.Context, run string, ds []handshake.Decision, sts []observation) []error {
	return g.each(func(i int, s Step) error {
		if ds[i].Do != handshake.Write {
			return nil
		}
		return s.takeBack(ctx, run, sts[i].observed.Claim.Lock)
	})
}

// takeBack is the disarm of an attempt of this run that finds the trigger of an earlier
// one in flight. Whatever it changes is an event, after which we look again.
// An attempt that had the claim locked may have left the application quiesced: there may be no other
// look to say so.
func (s Step) takeBack(ctx context.Context, run string, lock handshake.Lock) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	d, err := s.giveBack(ctx, loop{passes: lenient}, &handshake.Disarming{Run: run})
	armed, end := outcome.Left(0), s.ending(d)
	switch {
	case err != nil:
		armed, end = outcome.LeftArmed, s.undecided(err, run)
	case d.Outcome == outcome.Withdrawn:
		s.Log.Warn(s.subject() + ": an earlier attempt of this run was lost after it had fired: " + d.Why)
		end = nil
	}
	switch {
	case !lock.Of(run):
		return end
	case end == nil:
		return s.ending(handshake.TakeLock(handshake.Claim{Lock: lock}, run))
	}
	return s.left(armed|outcome.LeftFrozen|outcome.LeftLocked, run, endingOf(end))
}

// lock locks the claim for the run. A decision to look again says what there is to wait for
// before it can be locked. Then, and if it fails, the claim is not locked: neither by a write
// whose reply was lost, nor by one that a signal came in the middle of.
func (s Step) lock(
	ctx context.Context, l handshake.Locking, seen *observation, once bool,
) (handshake.Decision, error) {
	d, err := s.apply(ctx, loop{passes: unless(once), seen: seen, whole: true}, &l)
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

// fenceLock does it for every member.
func (g Group) fenceLock(ctx context.Context, run, owner string) error {
	return g.together(g.each(func(_ int, s Step) error {
		err := s.fenceLock(ctx, run, owner)
		if err == nil {
			return nil
		}
		return s.left(outcome.LeftLocked, run, endingOf(s.unfired(err, "")))
	}))
}

// waitsFor is what a wait says that goes on after a decision.
func (s Step) waitsFor(d handshake.Decision) string {
	if hint := s.hint(d); hint != "" {
		return s.about(d.Why, hint)
	}
	return s.about(d.Why)
}

func sourceName(w handshake.Observed) string {
	if len(w.Sources) == 1 {
		return w.Sources[0].Name
	}
	return ""
}
