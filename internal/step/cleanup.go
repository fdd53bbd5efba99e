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
)

// CleanupOptions are those of [Step.Cleanup].
type CleanupOptions struct {
	Run       string
	App       Application   // nil where none is left quiesced
	Selector  string        // of pods that could quiesce again; "" for none
	Wait      time.Duration // for the end of these pods; then it goes on, and ends with an error
	Unquiesce time.Duration // for unquiesce, with all its attempts
}

// Cleanup ends a run that was lost, in this order: its trigger, because VolSync might take one
// that is armed when the application runs again; the application; its lock. If another run has
// locked the claim, this one has not quiesced it, and its application is left alone; and none
// can lock it meanwhile. If there is no such claim, or it may not be read, the run was given a
// wrong name, and has quiesced nothing. No signal ends a cleanup.
func (s Step) Cleanup(ctx context.Context, o CleanupOptions) (Disarmed, error) {
	var waited error
	if o.Selector != "" {
		waited = s.AwaitPodsEnded(ctx, AwaitPodsEndedOptions{Selector: o.Selector, Timeout: o.Wait})
		if waited != nil {
			s.Log.Warn(waited.Error(), "hint", hintOf(waited))
		}
	}
	ctx = context.WithoutCancel(ctx)
	found, err := s.Disarm(ctx, DisarmOptions{Run: o.Run, Timeout: disarmLimit})
	if err != nil { // said now, because the application is let go all the same
		s.Log.Error(err.Error(), "hint", hintOf(err))
	}
	if found.Lock == Anothers {
		return found, s.leaveAlone(found.By, errors.Join(err, waited), cmp.Or(err, waited))
	}
	var uerr error
	if o.App != nil {
		if uerr = s.unquiesceLost(ctx, o, err); uerr != nil && found.Lock != Nobodys {
			return found, uerr // the run itself may have locked it: it stays so
		}
	}
	lerr := s.Unlock(ctx, UnlockOptions{Run: o.Run, Timeout: unlockLimit})
	return found, cmp.Or(uerr, err, waited, lerr)
}

// leaveAlone is the end of a cleanup that found the lock of another run. all is what went wrong
// until then, first the first of it.
func (s Step) leaveAlone(by handshake.Lock, all, first error) error {
	switch by.State {
	case handshake.Free: // there is no such claim, or it may not be read
		return first
	case handshake.Held:
		s.Log.Info(s.subject() + ": another run has locked the claim, and its application is left alone")
		return first
	}
	return &outcome.Ending{
		Outcome: outcome.Failed, Err: all,
		Why: fmt.Sprintf("%s: the cleanup of run %s has not ended, and the application is left alone",
			s.subject(), by.Run),
		Hint: "again in a moment; if nothing cleans up any more, first: copytrigger cleanup --run-id " + by.Run,
	}
}

// unquiesceLost lets the application of a lost run go. err is what went wrong until then.
func (s Step) unquiesceLost(ctx context.Context, o CleanupOptions, err error) error {
	uerr := s.unquiesce(ctx, o.App, o.Unquiesce)
	if errors.Is(uerr, quiesce.ErrNotHeld) {
		s.Log.Info(s.subject() + ": the application was not quiesced any more")
		return nil
	}
	if uerr == nil {
		return nil
	}
	return &outcome.Ending{
		Outcome: outcome.Failed, Err: errors.Join(uerr, err),
		Why:  s.subject() + ": THE APPLICATION MAY STILL BE QUIESCED: unquiesce failed: " + uerr.Error(),
		Hint: "unquiesce it by hand; then copytrigger cleanup again, for trigger and lock",
	}
}

func (s Step) unquiesce(ctx context.Context, app Application, limit time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, timeUp{limit})
	defer cancel()
	s.Log.Info("unquiescing the application")
	return app.Unquiesce(ctx)
}
