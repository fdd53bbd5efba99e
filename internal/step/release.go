package step

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/quiesce"
	"github.com/copytrigger/copytrigger/internal/result"
)

// Release lets go what a run that was lost has left, in this order: its trigger, for VolSync
// might take one that is armed when the application runs again; the application; its lock.
// app is nil where none is left quiesced. What another run has locked is left alone: then
// this one has not quiesced it; and none can lock it meanwhile. Where there is no such claim,
// or it may not be read, the run was given a wrong name, and has quiesced nothing. No signal ends it.
//
// With a selector it waits first, for l.Wait, until no pod with these labels can quiesce any
// more. If that time is over it goes on, and ends with an error.
func (s Step) Release(ctx context.Context, run string, app Application, selector string, l Limits) (result.Values, error) {
	var waited error
	if selector != "" {
		if _, waited = s.AwaitPodsEnded(ctx, selector, l.Wait); waited != nil {
			s.Log.Warn(waited.Error(), "hint", hintOf(waited))
		}
	}
	ctx = context.WithoutCancel(ctx)
	out, found, err := s.disarm(ctx, run, app != nil, disarmLimit)
	if err != nil { // said now, because the application is let go all the same
		s.Log.Error(err.Error(), "hint", hintOf(err))
	}
	lock, other := out.Get("lock"), handshake.RunOf(found.LockedBy)
	switch {
	case lock != "other":
	case other == "": // a wrong name
		return out, cmp.Or(err, waited)
	case other != found.LockedBy:
		return out, &outcome.Ending{Outcome: outcome.Failed, Err: errors.Join(err, waited), Why: fmt.Sprintf("%s: the clean-up of run %s has not ended, and the application is left alone", s.subject(), other),
			Hint: "again in a moment; if nothing cleans up any more, first: copytrigger release --run-id " + other}
	default:
		s.Log.Info(s.subject() + ": another run has locked the claim, and its application is left alone")
		return out, cmp.Or(err, waited)
	}
	var uerr error
	if app != nil {
		if uerr = s.unquiesce(ctx, app, l.Unquiesce); errors.Is(uerr, quiesce.ErrNotHeld) {
			s.Log.Info(s.subject() + ": the application was not quiesced any more")
			uerr = nil
		}
		if uerr != nil {
			uerr = &outcome.Ending{Outcome: outcome.Failed, Err: errors.Join(uerr, err), Why: s.subject() + ": THE APPLICATION MAY STILL BE QUIESCED: unquiesce failed: " + uerr.Error(),
				Hint: "unquiesce it by hand; then copytrigger release again, for trigger and lock"}
			if lock != "none" { // the run itself may have locked it: it stays so
				return out, uerr
			}
		}
	}
	_, lerr := s.Unlock(ctx, run, unlockLimit)
	return out, cmp.Or(uerr, err, waited, lerr)
}

func (s Step) unquiesce(ctx context.Context, app Application, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{limit})
	defer cancel()
	s.Log.Info("unquiescing the application")
	return app.Unquiesce(ctx)
}
