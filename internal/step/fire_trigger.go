package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// FireTriggerOptions are those of [Group.FireTrigger].
type FireTriggerOptions struct {
	Trigger handshake.Trigger
	After   string        // the file with the exit code of quiesce, without whose 0 nothing is fired; "" for none
	Timeout time.Duration // 0 tries once
}

// Fired is a trigger that is set.
type Fired struct {
	At    time.Time        // zero: an earlier attempt has set it
	Syncs []handshake.Wait // that the members of a group were fired into
}

// FireTrigger sets the trigger on every claim at the same time, only if what await-waiting saw is
// still true of all of them, and VolSync copies. Where it is refused for one, it takes back the
// others before it ends. To do it again is success.
//
// The one doubtful moment is a write whose reply is lost. The next look tells whether it was
// kept. If there is no next look, because time is up or a signal came, the trigger is given
// back, and if that fails too the step ends tainted, not as if nothing had happened.
func (g Group) FireTrigger(ctx context.Context, o FireTriggerOptions) (Fired, error) {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	if err := g.shared().afterQuiesce(o.After); err != nil {
		return Fired{}, err
	}
	firings, seen, err := g.toFire(ctx, o)
	if err != nil {
		return Fired{}, err
	}
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	errs := g.requests(func(i int, s Step) error {
		err := s.fire(ctx, o, &firings[i], seen[i])
		if err != nil && len(g) > 1 {
			refuse(&another{s.Claim})
		}
		return err
	})
	if g.together(errs) != nil {
		return Fired{}, g.unfire(ctx, firings, errs)
	}
	if slices.ContainsFunc(firings, func(f handshake.Firing) bool { return !f.Wrote() }) {
		return Fired{}, nil
	}
	for _, s := range g {
		s.tell(false, "Fired", "run "+o.Trigger.Run()+" has fired the trigger "+o.Trigger.String())
	}
	return Fired{At: time.Now(), Syncs: g.syncsOf(firings)}, nil
}

// syncsOf are the syncs that the members of a group were fired into. One claim, and claims that are
// read alone, have none.
func (g Group) syncsOf(firings []handshake.Firing) []handshake.Wait {
	if len(g) == 1 || g[0].ClaimOnly {
		return nil
	}
	var waits []handshake.Wait
	for _, f := range firings {
		waits = append(waits, f.Wait)
	}
	return handshake.Syncs(waits)
}

// toFire looks, for a group of several, whether all of them are still as await-waiting has seen
// them, and returns what it saw. One claim is looked at when it is written.
func (g Group) toFire(ctx context.Context, o FireTriggerOptions) ([]handshake.Firing, []*observation, error) {
	firings, seen := make([]handshake.Firing, len(g)), make([]*observation, len(g))
	for i := range firings {
		firings[i].Trigger = o.Trigger
	}
	if len(g) == 1 {
		return firings, seen, nil
	}
	var sts []observation
	err := g.shared().persist(ctx, unless(o.Timeout == 0), func(ctx context.Context) (err error) {
		sts, err = g.lookFrozen(ctx)
		return err
	})
	if err != nil {
		return nil, nil, g.shared().unfired(err, "")
	}
	ws := observed(sts)
	d, about, waits := handshake.FireTogether(ws, o.Trigger)
	switch {
	case d.Do == handshake.Write:
		for i := range firings {
			firings[i].Wait, seen[i] = waits[i], &sts[i]
		}
		return firings, seen, nil
	case d.Outcome == outcome.OK: // an earlier attempt has set all
		return firings, seen, nil
	}
	errs := make([]error, len(g))
	for i, w := range ws {
		firings[i].Next(w) // an earlier attempt may have set it
		switch {
		case about == -1 && !firings[i].MayBeSet():
			errs[i] = g.shared().ending(d)
		case about == i:
			errs[i] = g[i].ending(d)
		}
	}
	return nil, nil, g.unfire(ctx, firings, errs)
}

// fire is FireTrigger on one member. It decides about what was seen first, where that is not nil.
func (s Step) fire(ctx context.Context, o FireTriggerOptions, f *handshake.Firing, seen *observation) error {
	look := func(ctx context.Context) (observation, error) { return s.lookToFire(ctx, *f) }
	d, err := s.apply(ctx, loop{passes: unless(o.Timeout == 0), look: look, seen: seen, whole: true}, f)
	if err == nil {
		err = s.ending(d)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil:
	case !f.Wrote():
		s.Log.Info(s.subject() + ": " + d.Why)
	default:
		s.Log.Info(s.subject() + ": the trigger " + o.Trigger.String() + " is set")
	}
	return err
}

// unfire is the end of a fire-trigger that failed: what is set, or may be, is given back. errs are
// why, of each member.
func (g Group) unfire(ctx context.Context, firings []handshake.Firing, errs []error) error {
	alone := g.because(errs)
	return g.together(g.each(func(i int, s Step) error {
		err := errs[i]
		isAlone := err == nil || errors.As(err, new(*another))
		if isAlone && alone != nil {
			err = alone
		}
		switch {
		case firings[i].MayBeSet():
			err = s.unfire(ctx, firings[i], err)
			if err == nil && len(g) > 1 {
				return s.recordedAlone(alone)
			}
			return err
		case isAlone && alone != nil:
			return s.refusedFor(alone)
		}
		return s.unfired(err, "")
	}))
}

// unfire is the end of a fire-trigger whose trigger is set, or may be.
func (s Step) unfire(ctx context.Context, f handshake.Firing, why error) error {
	recorded, err := s.giveUp(ctx, f.GiveUp(), why)
	var refused *outcome.Ending
	switch {
	case recorded:
		return nil
	case f.Doubt() && errors.As(err, &refused) && refused.Outcome == outcome.Refused:
		return s.unfired(why, "") // the write was not kept
	}
	return err
}

// Unfire gives the trigger back after a fire-trigger that was well, but for why must not be:
// its results cannot be left to the next step. It returns nil if VolSync recorded it.
func (g Group) Unfire(ctx context.Context, t handshake.Trigger, why error) error {
	return g.together(g.each(func(_ int, s Step) error {
		_, err := s.giveUpFired(ctx, t, handshake.Seen{Fired: true}, why)
		return err
	}))
}

// lookToFire looks at the claim alone where that answers.
func (s Step) lookToFire(ctx context.Context, f handshake.Firing) (observation, error) {
	st, err := s.lookAtClaim(ctx)
	if err != nil || s.ClaimOnly || f.ByClaim(st.observed.Claim) {
		return st, err
	}
	sts := []observation{st}
	err = Group{s}.lookBeside(ctx, reading{sources: s.sourcesNotOlder}, sts)
	return one(sts, err)
}

// afterQuiesce is the gate for engines that go on after a failed step: without a file that
// says that quiesce ended well, the application may be running.
func (s Step) afterQuiesce(file string) error {
	if file == "" {
		return nil
	}
	exit := exitfile.Read(file)
	if exit.OK() {
		return nil
	}
	found := exit.Doubt
	if exit.Ended {
		found = fmt.Sprintf("%s says %d", file, exit.Code)
	}
	return &outcome.Ending{
		Outcome: outcome.Refused,
		Why:     s.subject() + ": quiesce did not end with 0, so nothing was fired: " + found,
		Hint:    "see why in the log of quiesce; then unquiesce, and start again with await-waiting",
	}
}
