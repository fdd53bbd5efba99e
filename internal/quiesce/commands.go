// Package quiesce is the user's commands around the freeze: two that quiesce and unquiesce, or
// one that holds.
package quiesce

import (
	"cmp"
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
	u := unquiescing{Commands: c, may: may, err: context.Cause(ctx)} // with an ended ctx nothing is tried
	pauses := retry.WithCappedDuration(mostPause, retry.NewExponential(firstPause))
	_ = retry.Do(ctx, pauses, u.attempt)
	if u.err != nil && u.mayGoOn {
		return UnderWay{u.err}
	}
	return u.err
}

// unquiescing is an unquiesce between its attempts.
type unquiescing struct {
	Commands
	may     func(context.Context) error
	err     error // with which it would end now
	mayGoOn bool  // an attempt may be under way still
}

// attempt makes one attempt. It returns a retryable error where another one is to follow.
func (u *unquiescing) attempt(ctx context.Context) error {
	if no := u.may(ctx); no != nil {
		if errors.Is(no, ErrLeaveAlone) {
			u.err = no
			return nil
		}
		u.Log.Error(fmt.Sprintf("not unquiesced yet: %v", no), "hint", "the application may be quiesced; trying again")
		u.err = cmp.Or(u.err, no)
		return retry.RetryableError(no)
	}
	code, err := u.Off.RunUntil(ctx)
	if code == notHeld {
		u.err = fmt.Errorf("%w: %w", ErrNotHeld, err)
		return nil
	}
	var broken *podexec.Broken
	cut := err != nil && ctx.Err() != nil
	u.mayGoOn = u.mayGoOn || cut || errors.As(err, &broken)
	if cut && u.err != nil {
		return nil // the limit cut this one short; the one before says why
	}
	if u.err = err; err != nil {
		u.Log.Error(fmt.Sprintf("unquiesce failed: %v", err), "hint", "the application may be quiesced; trying again")
	}
	return retry.RetryableError(err)
}
