package step

import (
	"context"
	"errors"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
)

// reducer decides what a step writes to the claim, or to its ReplicationSource, one look after the
// other: package handshake has them.
type reducer interface {
	Next(w handshake.Observed) (handshake.Patch, handshake.Decision)
	Replied(r handshake.Reply, passing bool) (again bool)
}

// conflictsAtOnce is how many conflicts a write meets before it is tried again with a pause. VolSync
// and the snapshot controller write the claim around a copy, while the application is frozen.
const conflictsAtOnce = 5

// loop is how the decisions of a reducer are carried out.
type loop struct {
	passes func(error) bool                               // an error of a request may pass
	look   func(ctx context.Context) (observation, error) // nil: at the claim alone
	seen   *observation                                   // has been looked at already, and is decided about first
	whole  bool                                           // a write is not interrupted when ctx ends
}

// apply looks, and writes what the reducer decides, until nothing is left to write, an error
// does not pass, or ctx ends. It returns the last decision.
//
// It reads the claim alone where the loop does not say otherwise: giving back must need no
// more rights than firing.
func (s Step) apply(ctx context.Context, l loop, r reducer) (d handshake.Decision, err error) {
	if l.look == nil {
		l.look = s.lookAtClaim
	}
	if l.seen != nil {
		st, again := l.seen, l.look
		l.look = func(ctx context.Context) (observation, error) {
			if st == nil {
				return again(ctx)
			}
			seen := *st
			st = nil
			return seen, nil
		}
	}
	conflicts := 0
	passes := func(err error) bool { return kube.IsConflict(err) || l.passes(err) }
	err = s.persist(ctx, passes, func(ctx context.Context) error {
		for {
			again, err := s.applyOnce(ctx, l, r, &d)
			if err == nil || !again {
				return err
			}
			if kube.IsConflict(err) {
				if conflicts++; conflicts > conflictsAtOnce {
					return err // to be tried again after a pause
				}
			}
			s.sayWhyAgain(err)
		}
	})
	return d, err
}

// applyOnce looks once, and writes at most once; d is the last decision. After an error it reports
// whether to look again at once.
func (s Step) applyOnce(ctx context.Context, l loop, r reducer, d *handshake.Decision) (again bool, err error) {
	st, err := l.look(ctx)
	if err != nil {
		return false, err
	}
	var p handshake.Patch
	if p, *d = r.Next(st.observed); p.Empty() {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if err = s.write(ctx, st, p, l.whole); err == nil {
		r.Replied(handshake.Written, true)
		return false, nil
	}
	return r.Replied(reply(err), l.passes(err)), err
}

// write is one conditional write. Whole, a signal does not interrupt it: that would leave open
// whether it is done.
func (s Step) write(ctx context.Context, was observation, p handshake.Patch, whole bool) error {
	if whole {
		var cancel context.CancelFunc
		ctx, cancel = uninterrupted(ctx)
		defer cancel()
	}
	if p.SetSource {
		return s.writeSource(ctx, was, p)
	}
	got, err := s.Claims.Annotate(ctx, was.claim, p.Annotations())
	if err != nil {
		return err
	}
	back := p.Undo(readClaim(was.claim), readClaim(got))
	return asMeant(p.Altered(readClaim(got)), back, func() (string, error) {
		again, err := s.Claims.Annotate(ctx, got, back.Annotations())
		return back.Altered(readClaim(again)), err
	})
}

// writeSource is the write of a ReplicationSource. What an admission webhook has made of it is taken
// back, as on a claim.
func (s Step) writeSource(ctx context.Context, was observation, p handshake.Patch) error {
	got, err := s.VolSync.SetManual(ctx, p.Source)
	if err != nil {
		return err
	}
	var back handshake.Patch
	for _, source := range was.observed.Sources {
		if source.UID == got.UID {
			back = p.UndoSource(source, got)
		}
	}
	return asMeant(p.AlteredSource(got), back, func() (string, error) {
		again, err := s.VolSync.SetManual(ctx, back.Source)
		return back.AlteredSource(again), err
	})
}

// asMeant returns an error for a write that has made something else of its object than was meant.
// What that has left is taken back first, by a write of back, which says how it was altered itself.
func asMeant(what string, back handshake.Patch, write func() (what string, err error)) error {
	if what == "" {
		return nil
	}
	a := &altered{what: what, write: true, undone: true}
	if !back.Empty() {
		again, err := write()
		a.undone = err == nil && again == ""
	}
	return a
}

// altered is a write that did not do what it was to do.
type altered struct {
	what   string
	write  bool // no dry run
	undone bool // nothing of it is left
}

func (a *altered) Error() string {
	msg := "an admission webhook or policy changes what is written: " + a.what
	switch {
	case !a.write:
		return msg + " (in a dry run)"
	case !a.undone:
		return msg + ", and could not be taken back"
	}
	return msg
}

// hint is the next move after a write that was altered.
func (a *altered) hint(s Step) string {
	return s.then(a.remedy(), handshake.Move{Kind: handshake.MoveShowMutators})
}

func (a *altered) remedy() string {
	return fmt.Sprintf("let %s and %s pass as they are; what may change them",
		handshake.TriggerAnnotation, handshake.LockAnnotation)
}

// reply is what an error tells of the write that failed with it.
func reply(err error) handshake.Reply {
	var a *altered
	switch {
	case errors.As(err, &a) && a.undone:
		return handshake.NotWritten
	case kube.IsConflict(err):
		return handshake.Conflict
	case kube.Undone(err):
		return handshake.NotWritten
	}
	return handshake.Unknown
}

func (s Step) sayWhyAgain(err error) {
	if kube.IsConflict(err) {
		s.Log.Info("the claim has changed; deciding again: " + err.Error())
		return
	}
	s.warnOfLock(err)
}

// warnOfLock says that the trigger is given back without a change of the lock.
func (s Step) warnOfLock(err error) {
	s.Log.Warn(s.subject() + ": its lock was not changed, so another process of this run can still fire, " +
		"and another run can still quiesce: " + err.Error())
}
