package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// AwaitCompletedOptions are those of [Group.AwaitCompleted].
type AwaitCompletedOptions struct {
	Trigger  handshake.Trigger
	UntilCut bool             // ends when the storage has cut the copy
	Copy     string           // the uid of the copy that was cut, or Recorded: the application runs again
	Copies   []string         // that of each member of a group, in place of Copy
	Syncs    []handshake.Wait // as FireTrigger gave them; nil to look for them
	Timeout  time.Duration    // 0 looks once
	Ack      time.Duration    // for VolSync to react to the trigger
}

// Recorded stands for the uid of a copy that VolSync recorded before the cut was seen.
const Recorded = "recorded"

// Copied is a copy for a trigger.
type Copied struct {
	CutTime string        // when the storage cut it, as the storage says; "" if that is not known
	Took    time.Duration // the wait for it; 0 where the wait did not end well
	Copy    string        // with UntilCut: the uid of what was cut, or Recorded
}

// AwaitCompleted waits until VolSync has recorded the trigger. Whatever ends the wait otherwise
// (time, a signal, nobody reacting within Ack, an error), the trigger is given back before the
// step ends, so that the application may be unquiesced.
//
// With UntilCut it waits until the storage has cut VolSync's copy: the application may run again
// then, often long before VolSync records the trigger. With Copy it waits until VolSync has
// recorded the trigger for that copy, without which nobody knows whether what was cut is what
// VolSync records in the end.
//
// Of a group it waits for every member. What ends the wait for one ends it for all: a copy of the
// others alone is worth nothing, and the application is to run again.
func (g Group) AwaitCompleted(ctx context.Context, o AwaitCompletedOptions) ([]Copied, error) {
	cs, err := g.await(ctx, o, handshake.Seen{}, nil)
	return told(cs, err), err
}

// await is AwaitCompleted; seen is what is known before, and times keeps when things happened.
func (g Group) await(
	ctx context.Context, o AwaitCompletedOptions, seen handshake.Seen, times *Timeline,
) ([]copied, error) {
	cs := make([]copied, len(g))
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	all := times.members(len(g))
	syncs, err := g.syncs(ctx, o)
	if err != nil {
		return nil, g.together(g.each(func(_ int, s Step) error { return s.giveUpUnseen(ctx, o, err) }))
	}
	of, stop := g.progresses(ctx, o, all)
	defer stop()
	errs := g.each(func(i int, s Step) (err error) {
		seen := seen
		if syncs != nil {
			seen.Sync = syncs[i]
		}
		if cs[i], err = s.await(ctx, o.of(i), seen, of[i], all[i]); err != nil && len(g) > 1 {
			end(&another{s.Claim})
		}
		return err
	})
	times.last(all)
	switch {
	case len(g) > 1 && g.together(errs) != nil:
		errs = g.giveBackAll(ctx, o, cs, errs)
	case len(g) > 1 && o.Copy == "" && o.Copies == nil:
		errs = g.each(func(_ int, s Step) error { return s.stillLocked(ctx, o) })
		if g.together(errs) != nil {
			errs = g.giveBackAll(ctx, o, cs, errs)
		}
	}
	return cs, g.together(errs)
}

// of returns the options for one member of a group.
func (o AwaitCompletedOptions) of(member int) AwaitCompletedOptions {
	if o.Copies != nil {
		o.Copy = o.Copies[member]
	}
	return o
}

// forRecord reports whether the wait is for the record, by the claim alone.
func (o AwaitCompletedOptions) forRecord() bool {
	return !o.UntilCut && (o.Copy == "" || o.Copy == Recorded)
}

// progresses are those of the members that wait for the record; nil for the others. They last until
// stop is called.
func (g Group) progresses(
	ctx context.Context, o AwaitCompletedOptions, times []*Timeline,
) (of []*progress, stop func()) {
	of = make([]*progress, len(g))
	var some Group
	var theirs []*Timeline
	var members []int
	for i, s := range g {
		if o.of(i).forRecord() {
			some, theirs, members = append(some, s), append(theirs, times[i]), append(members, i)
		}
	}
	if len(some) == 0 {
		return of, func() {}
	}
	all, stop := some.observe(ctx, o.Trigger, o.Timeout == 0, theirs)
	for n, i := range members {
		of[i] = all[n]
	}
	return of, stop
}

// stillLocked looks at the lock of a member once more when the last one is copied: until then the
// application was quiesced only if every lock was there.
func (s Step) stillLocked(ctx context.Context, o AwaitCompletedOptions) error {
	var c handshake.Claim
	err := s.persist(ctx, lenient, func(ctx context.Context) error {
		st, err := s.lookAtClaim(ctx)
		c = st.observed.Claim
		return err
	})
	if err == nil {
		err = s.ending(handshake.WithLock(handshake.Decision{Do: handshake.End, Outcome: outcome.OK}, c, o.Trigger.Run()))
	}
	if err == nil {
		return nil
	}
	if recorded, gerr := s.giveUpFired(ctx, o.Trigger, handshake.Seen{Fired: true, Taken: true}, err); !recorded {
		return gerr
	}
	return s.unfired(err, "")
}

// giveBackAll is the end of a wait that failed for some: the members whose own wait ended well are
// given back, too.
func (g Group) giveBackAll(ctx context.Context, o AwaitCompletedOptions, cs []copied, errs []error) []error {
	why := g.because(errs)
	return g.each(func(i int, s Step) error {
		if errs[i] != nil {
			cs[i] = copied{} // its lock may have been missed after the copy
			return errs[i]
		}
		uncertain := cs[i].Copy != "" && cs[i].Copy != Recorded
		cs[i] = copied{}
		if uncertain {
			recorded, err := s.giveUpFired(ctx, o.Trigger, handshake.Seen{Fired: true, Taken: true}, why)
			if !recorded {
				return err
			}
		}
		return s.recordedAlone(why)
	})
}

// syncs are those that the members of a group were fired into: at the record their copies are told
// by them. One claim tells by its trigger.
func (g Group) syncs(ctx context.Context, o AwaitCompletedOptions) ([]handshake.Wait, error) {
	if o.Syncs != nil || len(g) == 1 || g[0].ClaimOnly {
		return o.Syncs, nil
	}
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	var sts []observation
	err := g.shared().persist(ctx, lenient, func(ctx context.Context) (err error) {
		sts, err = g.lookFrozen(ctx)
		return err
	})
	return handshake.SyncsOf(observed(sts), o.Trigger), err
}

// giveUpUnseen is the end of a wait that could not even look at all members.
func (s Step) giveUpUnseen(ctx context.Context, o AwaitCompletedOptions, why error) error {
	recorded, err := s.giveUpFired(ctx, o.Trigger, handshake.Seen{Fired: true}, why)
	if !recorded {
		return err
	}
	d := handshake.Unproved("VolSync recorded the trigger, but its copy cannot be looked at: " + why.Error())
	return s.ending(d)
}

// told are the copies; the time of a cut may have to be asked for, which nobody waits for after an
// error.
func told(cs []copied, err error) []Copied {
	var all []Copied
	for _, c := range cs {
		if err == nil && c.cut != nil {
			c.CutTime = c.cut()
		}
		all = append(all, c.Copied)
	}
	return all
}

// copied is a Copied whose time of the cut may have to be asked for, which takes a request.
type copied struct {
	Copied
	cut func() string
}

// await is AwaitCompleted on one member, with its progress if it waits for the record.
func (s Step) await(
	ctx context.Context, o AwaitCompletedOptions, seen handshake.Seen, p *progress, times *Timeline,
) (copied, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	switch {
	case o.forRecord():
		return s.awaitRecorded(ctx, o, seen, p, times)
	case o.UntilCut:
		return s.awaitCut(ctx, o, seen, times)
	}
	return s.awaitVerified(ctx, o, seen.Sync, times)
}

// recordWait is a wait for what becomes of a fired trigger.
type recordWait struct {
	step    Step
	options AwaitCompletedOptions
	seen    handshake.Seen
	times   *Timeline

	look     func(context.Context) (observation, error)
	decide   func(handshake.Observed, handshake.Seen) handshake.Decision
	progress *progress   // of the copy, for a look at the claim alone; nil: the look sees the copy
	last     observation // that was decided about
	took     time.Duration

	wake     chan struct{} // to look again
	recorded func()        // begins the time in which the copy must prove the record
	unproved string        // why it does not yet
}

// run waits. After an error the trigger has not been given back yet.
func (r *recordWait) run(ctx context.Context) error {
	s, start := r.step, time.Now()
	ctx, answered, stop := withAckTimeout(ctx, r.options.Ack)
	defer stop()
	ctx, r.recorded, stop = withProofLimit(ctx)
	defer stop()
	overdue, quiet := r.copyOverdue()
	defer quiet()
	w := wait{lenient: true, look: r.look, claimOnly: r.progress != nil, wake: r.wake}
	w.decide = func(ctx context.Context, st observation) (bool, string, error) {
		c := st.observed.Claim
		d := r.decide(st.observed, r.seen)
		r.last = st
		if r.seen = r.seen.With(c, r.options.Trigger); r.seen.Taken {
			answered()
			r.times.mark(taken)
		}
		switch {
		case d.Do == handshake.End && d.Outcome == outcome.Refused && !r.seen.Fired:
			return true, d.Why, s.ending(r.unlessReplaced(ctx, d))
		case d.Do == handshake.End:
			return true, d.Why, s.ending(d)
		case c.Latest == r.options.Trigger.String():
			answered()
			r.recorded()
			r.unproved = d.Why
		case r.sourceGone():
			return true, d.Why, errSourceGone
		case overdue() && c.Status == handshake.StatusInProgress && r.hasNoCopy():
			return true, d.Why, noCopy{r.options.Ack, r.says()}
		}
		return false, s.subject() + ": " + d.Why + r.progress.describe(c), nil
	}
	reason, err := s.wait(ctx, r.options.Timeout == 0, w)
	if errors.Is(err, errUnproved) {
		return r.unverified(reason)
	}
	if err != nil {
		return because(err, reason)
	}
	r.took = time.Since(start)
	return nil
}

// unlessReplaced is a refusal for a trigger that is nowhere to be seen, unless it may have been
// recorded, and the record been replaced: then a copy was made.
func (r *recordWait) unlessReplaced(ctx context.Context, refused handshake.Decision) handshake.Decision {
	st, err := r.step.look(ctx)
	if err == nil && handshake.NeverFired(st.observed, r.options.Trigger, r.seen) {
		return refused
	}
	return handshake.Decision{
		Do: handshake.End, Outcome: outcome.Unverified,
		Why: "the trigger is neither set nor recorded, and VolSync does not wait any more as it did when the " +
			"trigger was made: if it was fired, VolSync may have copied for it",
		Hint: "if fire-trigger was run, do not rely on the copy of that sync: its record was replaced, or taken back",
	}
}

// errSourceGone ends a wait that would only make the freeze longer.
var errSourceGone = errors.New("the ReplicationSource was deleted, so nobody records the trigger")

func (r *recordWait) sourceGone() bool {
	if r.progress != nil {
		return r.progress.sourceGone()
	}
	return len(r.last.observed.Sources) == 0
}

// afterFreeze reports whether the application runs again, so that the run's lock says nothing.
func (r *recordWait) afterFreeze() bool { return r.options.Copy != "" }

// givingUp is how the step gives the trigger back.
func (r *recordWait) givingUp() handshake.Disarming {
	t := r.options.Trigger
	w := handshake.Disarming{Run: t.Run(), Trigger: t, Seen: r.seen, AfterFreeze: r.afterFreeze()}
	if !w.AfterFreeze {
		w.Lock = handshake.LockLost
	}
	return w
}

// awaitRecorded waits for the record, by the claim alone: the ReplicationSource and the copy are
// watched beside it. They tell how far it is, and in the end prove the record.
func (s Step) awaitRecorded(
	ctx context.Context, o AwaitCompletedOptions, seen handshake.Seen, p *progress, times *Timeline,
) (copied, error) {
	r := &recordWait{step: s, options: o, seen: seen, times: times, progress: p, wake: p.news}
	r.look = r.lookForRecord
	r.decide = func(w handshake.Observed, seen handshake.Seen) handshake.Decision {
		d := handshake.Recorded(w, o.Trigger, seen)
		if r.afterFreeze() {
			return d
		}
		return handshake.WithLock(d, w.Claim, o.Trigger.Run())
	}
	err := r.run(ctx)
	if err != nil {
		if err = r.giveUp(ctx, err); err != nil {
			return copied{}, err
		}
	}
	times.mark(completed)
	s.Log.Info(s.subject() + ": VolSync recorded the trigger " + o.Trigger.String())
	claim := r.last.observed.Claim
	return copied{Copied{Took: r.took}, func() string { return r.progress.cutTime(claim) }}, nil
}

// awaitCut waits for the cut.
func (s Step) awaitCut(
	ctx context.Context, o AwaitCompletedOptions, seen handshake.Seen, times *Timeline,
) (copied, error) {
	r := &recordWait{step: s, options: o, seen: seen, times: times, look: s.lookAtClaimLast}
	r.decide = func(w handshake.Observed, seen handshake.Seen) handshake.Decision {
		return handshake.WithLock(handshake.Cut(w, o.Trigger, seen), w.Claim, o.Trigger.Run())
	}
	c := Copied{Copy: Recorded}
	if err := r.run(ctx); err != nil {
		if err = r.giveUp(ctx, err); err != nil {
			return copied{}, err
		}
		return c.known(), nil
	}
	c.Took = r.took
	if w := r.last.observed; w.Claim.Latest == o.Trigger.String() {
		times.mark(completed)
		if w.Copy != nil && w.Claim.Status == handshake.StatusCompleted {
			c.CutTime = w.Copy.Cut
		}
	} else {
		times.mark(cut)
		c.Copy, c.CutTime = w.Copy.UID, w.Copy.Cut
	}
	return c.known(), nil
}

// known is a copy of which there is nothing left to ask.
func (c Copied) known() copied { return copied{c, func() string { return c.CutTime }} }

// lookAtClaimLast is a look whose claim is that after the look at the copy. Only then its lock says
// that the application was still quiesced when that was cut, and its trigger for what it is.
func (s Step) lookAtClaimLast(ctx context.Context) (observation, error) {
	st, err := s.lookFrozen(ctx)
	if err != nil {
		return st, err
	}
	after, err := s.lookAtClaim(ctx)
	st.claim, st.observed.Claim = after.claim, after.observed.Claim
	return st, err
}

// awaitVerified waits for the record of the copy that was cut. A copy that takes its place
// meanwhile makes the run unverified.
func (s Step) awaitVerified(
	ctx context.Context, o AwaitCompletedOptions, sync handshake.Wait, times *Timeline,
) (copied, error) {
	o.Ack = 0 // it has reacted
	r := &recordWait{step: s, options: o, times: times, look: s.look}
	r.seen = handshake.Seen{Fired: true, Taken: true, Sync: sync}
	r.decide = func(w handshake.Observed, seen handshake.Seen) handshake.Decision {
		return handshake.Verified(w, o.Trigger, seen, o.Copy)
	}
	err := r.run(ctx)
	var another *outcome.Ending
	switch {
	case err == nil:
		times.mark(completed)
		s.Log.Info(s.subject() + ": VolSync recorded the trigger " + o.Trigger.String() +
			" for the copy that was cut in the freeze")
		return Copied{CutTime: r.last.observed.Copy.Cut, Took: r.took}.known(), nil
	case errors.As(err, &another) && another.Outcome == outcome.Unverified:
		return copied{}, s.disarmUnverified(ctx, o.Trigger, another)
	}
	recorded, gerr := s.giveUp(ctx, r.givingUp(), err)
	if recorded { // in the last moment: nobody looked for which copy
		gerr = &outcome.Ending{
			Outcome: outcome.Unverified, Err: err,
			Why:  s.about(err.Error(), "VolSync recorded the trigger then, and nobody saw for which copy"),
			Hint: outcome.Unverified.Next(),
		}
	}
	return copied{}, gerr
}

// disarmUnverified gives back the trigger of a copy that is not the right one: nothing is to be recorded
// for it, and nothing to stay armed.
func (s Step) disarmUnverified(ctx context.Context, t handshake.Trigger, why *outcome.Ending) error {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	_, err := s.giveBack(ctx, loop{passes: lenient}, &handshake.Disarming{Run: t.Run()})
	if err != nil && !kube.IsNotFound(err) {
		return s.undecided(fmt.Errorf("%w; then: %w", why, err), t.Run())
	}
	return why
}

// withAckTimeout is a context that ends, too, when VolSync has not answered within ack. An ack
// of 0 is for where it has answered already.
func withAckTimeout(ctx context.Context, ack time.Duration) (_ context.Context, answered, stop func()) {
	ctx, giveUp := context.WithCancelCause(ctx)
	if ack == 0 {
		return ctx, func() {}, func() { giveUp(nil) }
	}
	timer := time.AfterFunc(ack, func() { giveUp(noAnswer{ack}) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); giveUp(nil) }
}

// noAnswer is the cause of a wait in which VolSync never reacted to the trigger.
type noAnswer struct{ after time.Duration }

func (n noAnswer) Error() string {
	return fmt.Sprintf("VolSync did not react to the trigger within %s (is its manager running?)", n.after)
}
