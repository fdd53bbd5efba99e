// Package quiesce is the user's commands around the freeze: two that quiesce and unquiesce, or
// one that holds.
package quiesce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/copytrigger/copytrigger/internal/podexec"
)

// notHeld is the exit code of a second command that has let the application go, and found
// that it was not quiesced until then: 100 and this program's own code for a copy that cannot
// be tied to the freeze. 6 itself is what curl says of a name that it cannot resolve.
const notHeld = 106

// Commands quiesce an application and let it go by two commands of the user's. Nobody knows
// in between whether it still is quiesced; the second may find out.
type Commands struct {
	On, Off Command
	Log     *slog.Logger
}

// Command is a command of the user's; a process.Command, which runs here, is one.
type Command interface {
	// RunUntil runs it to its end, or until ctx ends, and returns its exit code as a shell has it.
	// The error says how it did not end well.
	RunUntil(ctx context.Context) (code int, err error)
}

// Quiesce runs the first command.
func (c Commands) Quiesce(ctx context.Context) error {
	_, err := c.On.RunUntil(ctx)
	return err
}

// UnquiesceIsScoped reports false: no command knows whose freeze it ends.
func (c Commands) UnquiesceIsScoped() bool { return false }

// Lost gives nothing.
func (c Commands) Lost() <-chan error { return nil }

// The second command is tried again after a second, then after two, and so on, up to half
// a minute.
const (
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// ErrLeaveAlone says that the application is not to be let run by this process any more.
var ErrLeaveAlone = errors.New("the application is left alone")

// UnderWay is the error of an unquiesce of which an attempt may go on still: it was cut short, or the
// connection to it ended before it did.
type UnderWay struct{ Err error }

func (e UnderWay) Error() string { return e.Err.Error() }
func (e UnderWay) Unwrap() error { return e.Err }

// MayGoOn reports whether an attempt of the unquiesce that ended with err may go on.
func MayGoOn(err error) bool { return errors.As(err, &UnderWay{}) }

// Unquiesce runs the second command until it ends well, or ctx ends. No command knows whose
// freeze it ends, so may is asked before every attempt: after [ErrLeaveAlone] there is none any
// more, and any other error puts it off. The error is an [UnderWay] unless every attempt was seen
// to end.
func (c Commands) Unquiesce(ctx context.Context, may func(context.Context) error) error {
	err, seen := context.Cause(ctx), true // with an ended ctx nothing is tried
	pauses := retry.WithCappedDuration(mostPause, retry.NewExponential(firstPause))
	_ = retry.Do(ctx, pauses, func(ctx context.Context) error {
		if no := may(ctx); no != nil {
			if errors.Is(no, ErrLeaveAlone) {
				err = no
				return nil
			}
			c.Log.Error(fmt.Sprintf("not unquiesced yet: %v", no), "hint", "the application may be quiesced; trying again")
			if err == nil {
				err = no
			}
			return retry.RetryableError(no)
		}
		code, again := c.Off.RunUntil(ctx)
		if code == notHeld {
			err = fmt.Errorf("%w: %w", ErrNotHeld, again)
			return nil
		}
		var broken *podexec.Broken
		if again != nil && (ctx.Err() != nil || errors.As(again, &broken)) {
			seen = false
		}
		if again != nil && ctx.Err() != nil && err != nil {
			return nil // the limit cut this one short; the one before says why
		}
		if err = again; err != nil {
			c.Log.Error(fmt.Sprintf("unquiesce failed: %v", err), "hint", "the application may be quiesced; trying again")
		}
		return retry.RetryableError(err)
	})
	if err != nil && !seen {
		return UnderWay{err}
	}
	return err
}
