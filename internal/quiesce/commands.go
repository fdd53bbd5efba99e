package quiesce

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/sethvargo/go-retry"
)

// RunUntil is [Command.Run] until ctx ends: the command's process group gets SIGTERM then,
// and SIGKILL killGrace later. The error says how it did not end well.
func (c Command) RunUntil(ctx context.Context) error {
	_, err := c.runUntil(ctx)
	return err
}

func (c Command) runUntil(ctx context.Context) (code int, err error) {
	if ctx.Err() != nil {
		return NotExecutable, c.notRun(context.Cause(ctx))
	}
	p, err := c.start()
	if err != nil {
		return notStarted(err), c.notRun(err)
	}
	select {
	case <-p.over:
	case <-ctx.Done():
		if !p.end() {
			return NotExecutable, fmt.Errorf("%s could not be ended", c.Args[0])
		}
	}
	return p.code, c.badly(p.code)
}

func (c Command) notRun(err error) error { return fmt.Errorf("%s was not run: %w", c.Args[0], err) }

// badly is how a command ended with a code; nil for well.
func (c Command) badly(code int) error {
	switch {
	case code > bySignal:
		return fmt.Errorf("%s ended with exit code %d (%s)", c.Args[0], code, syscall.Signal(code-bySignal))
	case code != 0:
		return fmt.Errorf("%s ended with exit code %d", c.Args[0], code)
	}
	return nil
}

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

// Quiesce runs the first command.
func (c Commands) Quiesce(ctx context.Context) error { return c.On.RunUntil(ctx) }

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

// Unquiesce runs the second command until it ends well, or ctx ends.
func (c Commands) Unquiesce(ctx context.Context) error {
	var err error
	pauses := retry.WithCappedDuration(mostPause, retry.NewExponential(firstPause))
	_ = retry.Do(ctx, pauses, func(ctx context.Context) error {
		code, again := c.Off.runUntil(ctx)
		if code == notHeld {
			err = fmt.Errorf("%w: %w", ErrNotHeld, again)
			return nil
		}
		if again != nil && ctx.Err() != nil && err != nil {
			return nil // the limit cut this one short; the one before says why
		}
		if err = again; err != nil {
			c.Log.Error(fmt.Sprintf("unquiesce failed: %v", err), "hint", "the application may be quiesced; trying again")
		}
		return retry.RetryableError(err)
	})
	return err
}
