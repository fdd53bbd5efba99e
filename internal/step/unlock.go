package step

import (
	"context"
	"errors"
	"time"

	"github.com/copytrigger/copytrigger/internal/exitfile"
	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/outcome"
)

// UnlockOptions are those of [Step.Unlock].
type UnlockOptions struct {
	Run     string
	After   string        // the file with the exit code of unquiesce, without whose 0 it stays locked; "" for none
	Timeout time.Duration // 0 tries once
}

// Unlock takes the run's lock off, when the application runs again. Another run's lock is left
// alone. To do it again is success.
func (s Step) Unlock(ctx context.Context, o UnlockOptions) error {
	ctx, cancel := limit(ctx, o.Timeout)
	defer cancel()
	u := handshake.Unlocking{Run: o.Run}
	var exit exitfile.Exit
	if o.After != "" {
		exit = exitfile.Read(o.After)
		u.MayBeFrozen = !exit.OK()
	}
	d, err := s.apply(ctx, loop{passes: unless(o.Timeout == 0), whole: true}, &u)
	if err == nil && d.Outcome == outcome.Refused {
		return &outcome.Ending{
			Outcome: outcome.Refused,
			Why:     s.subject() + ": unquiesce " + exit.String() + ", so the claim stays locked",
			Hint:    "make sure that the application runs again; then " + s.unlockCommand(o.Run),
		}
	}
	if err == nil {
		s.Log.Info(s.subject() + ": " + d.Why)
		return nil
	}
	var ending *outcome.Ending
	if err = s.unfired(err, ""); errors.As(err, &ending) && ending.Hint == "" {
		ending.Hint = "the claim may stay locked, and refuse the next run: " + s.unlockCommand(o.Run)
	}
	return err
}
