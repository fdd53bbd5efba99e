package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

// The exit codes. They are an interface: Argo retries by them, Tekton shows them, shell
// scripts branch on them. The README has the same table.
const (
	exitOK         = 0
	exitFailed     = 1   // an error that none of these names
	exitUsage      = 2   // the command line is wrong
	exitRefused    = 3   // not safe to go on, and nothing was fired
	exitWithdrawn  = 4   // fired, then disarmed before VolSync took it: no copy was made
	exitTainted    = 5   // gave up while VolSync was copying: a copy may be cut after the application runs again
	exitUnverified = 6   // a copy was recorded, but it cannot be tied to the freeze
	exitTimedOut   = 124 // the limit passed and nothing was fired; the code of timeout(1)
	exitSignal     = 128 // plus the signal's number: stopped by it and nothing was fired
)

// exitCode is the code for what a command returned.
func exitCode(err error) int {
	var (
		ending  *step.Ending
		stop    step.Stop
		usage   usageError
		command commandExit
		help    cli.ExitCoder // by urfave/cli itself: help is asked for a command that is not there
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &command):
		return int(command)
	case errors.As(err, &usage), errors.As(err, &help):
		return exitUsage
	case !errors.As(err, &ending):
		return exitFailed
	}
	switch ending.Outcome {
	case handshake.Refused:
		return exitRefused
	case handshake.Withdrawn:
		return exitWithdrawn
	case handshake.Tainted:
		return exitTainted
	case handshake.Unverified:
		return exitUnverified
	case step.Usage:
		return exitUsage
	case step.TimedOut:
		return exitTimedOut
	case step.Signalled:
		if errors.As(err, &stop) {
			return exitSignal + stop.Number
		}
	}
	return exitFailed
}

// meaning is what exitCode is asked the other way round: the outcome of a step that ended
// with this code, and the signal of one that a signal stopped. It is "" for every code that
// no step of this program gives by itself, such as that of a process that was killed.
func meaning(code int) (handshake.Outcome, step.Stop) {
	switch code {
	case exitOK:
		return handshake.OK, step.Stop{}
	case exitFailed:
		return step.Failed, step.Stop{}
	case exitUsage:
		return step.Usage, step.Stop{}
	case exitRefused:
		return handshake.Refused, step.Stop{}
	case exitWithdrawn:
		return handshake.Withdrawn, step.Stop{}
	case exitTainted:
		return handshake.Tainted, step.Stop{}
	case exitUnverified:
		return handshake.Unverified, step.Stop{}
	case exitTimedOut:
		return step.TimedOut, step.Stop{}
	}
	for _, s := range obeyed() {
		if code == exitSignal+int(s) {
			return step.Signalled, stopBy(s)
		}
	}
	return "", step.Stop{}
}

// commandExit is the exit code of a user's command, which record passes on. All that is to be
// said of it has been said.
type commandExit int

func (c commandExit) Error() string {
	return fmt.Sprintf("the command ended with exit code %d", int(c))
}

// usageError is a command line that is wrong, and what would be right.
type usageError struct {
	err  error
	hint string
}

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

// hintOf is the next move that an error carries; "" if none.
func hintOf(err error) string {
	var (
		ending *step.Ending
		usage  usageError
		help   cli.ExitCoder
	)
	switch {
	case errors.As(err, &ending):
		return ending.Hint
	case errors.As(err, &usage):
		return usage.hint
	case errors.As(err, &help):
		return "copytrigger --help lists the commands"
	}
	return ""
}
