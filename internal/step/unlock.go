package step

import (
	"context"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/kube"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// UnlockOptions are those of [Group.Unlock].
type UnlockOptions struct {
	Run         string
	CleanupID   string            // of the disarm before it; "" for none
	KeepCleanup bool              // leave the lock of a cleanup in steps, which has an unlock of its own
	All         bool              // take off every cleanup's, too: none of them lives
	Last        handshake.LastRun // how the run has ended, as far as it is known; its Run is Run
	After       string            // the file with the exit code of unquiesce, without whose 0 it stays locked; "" for none
	Timeout     time.Duration     // 0 tries once
}

// Unlock unlocks every member, each also where another fails. Then it puts back what a start-sync of
// the run has left: it is the last step of a cleanup.
func (g Group) Unlock(ctx context.Context, o UnlockOptions) error {
	err := g.together(g.each(func(_ int, s Step) error { return s.unlockRun(ctx, o) }))
	return g.shared().mergeEndings(err, g.putBackLost(ctx, o.Run))
}

// unlockRun takes off the lock of a run whose application runs again: its own, and that of the
// disarm before it. What another cleanup of the run, or another run, has put on is left alone. To
// do it again is success.
func (s Step) unlockRun(ctx context.Context, o UnlockOptions) error {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	o.Last.Run, o.Last.Around = o.Run, rightNow()
	u := handshake.Unlocking{Run: o.Run, Own: true, Off: handshake.StepwiseCleanup(o.CleanupID), All: o.All, Last: o.Last}
	if o.KeepCleanup {
		u.Off = ""
	}
	var exit exitfile.Exit
	if o.After != "" {
		exit = exitfile.Read(o.After)
		u.MayBeFrozen = !exit.OK()
	}
	d, err := s.unlock(ctx, unless(o.Timeout == 0), u)
	if err == nil && d.Outcome == outcome.Refused {
		return &outcome.Ending{
			Outcome: outcome.Refused,
			Why:     s.subject() + ": unquiesce " + exit.String() + ", so the claim stays locked",
			Left:    outcome.LeftLocked,
			Hint: s.then("make sure that the application runs again; then",
				handshake.Move{Kind: handshake.MoveUnlock, Run: o.Run}),
		}
	}
	return err
}

// unlock takes off what u says, and says what is left.
func (s Step) unlock(
	ctx context.Context, passes func(error) bool, u handshake.Unlocking,
) (handshake.Decision, error) {
	if u.Last.Run != "" {
		u.Last.EndedAt = rightNow()
	}
	d, err := s.apply(ctx, loop{passes: passes, whole: true}, &u)
	if err == nil {
		if d.Outcome == outcome.OK {
			s.Log.Info(s.waitsFor(d))
		}
		if l, kept := u.Kept(); kept {
			s.tellEnd(l)
		}
		return d, nil
	}
	if kube.IsNotFound(err) {
		return d, s.unfired(err, "") // nothing is locked
	}
	// Its own hints are for a step that can be tried again: grant a right, raise a limit.
	ending := *endingOf(s.unfired(err, ""))
	ending.Why = s.about(ending.Why)
	return d, s.left(outcome.LeftLocked, u.Run, &ending)
}

// unlockItself takes an owner off, when the application runs again as far as that one knows. last is
// how the run has ended, where the owner is the run's own.
func (s Step) unlockItself(ctx context.Context, run, owner string, last handshake.LastRun) error {
	ctx, cancel := limit(ctx, unlockLimit)
	defer cancel()
	_, err := s.unlock(ctx, kube.Passing, handshake.Unlocking{Run: run, Off: owner, Last: last})
	return err
}

// endOwner marks an owner as ended that could not let the application run, and has stopped trying: no
// cleanup waits for it then. Where that cannot be written, a cleanup waits until the owner's limit is over.
func (s Step) endOwner(ctx context.Context, run, owner string) {
	ctx, cancel := limit(context.WithoutCancel(ctx), shortLimit)
	defer cancel()
	_, err := s.apply(ctx, loop{passes: kube.Passing, whole: true}, &handshake.EndingOwner{Run: run, Process: owner})
	if err != nil && !kube.IsNotFound(err) {
		s.Log.Warn(s.about("a cleanup will wait until this process is surely dead: " + err.Error()))
	}
}

// endOwner marks it on every member.
func (g Group) endOwner(ctx context.Context, run, owner string) {
	g.each(func(_ int, s Step) error {
		s.endOwner(ctx, run, owner)
		return nil
	})
}

// unlockItself takes off every member an owner that is not the run's own, or whose run has quiesced
// nothing.
func (g Group) unlockItself(ctx context.Context, run, owner string) error {
	return g.together(g.each(func(_ int, s Step) error {
		return s.unlockItself(ctx, run, owner, handshake.LastRun{})
	}))
}
