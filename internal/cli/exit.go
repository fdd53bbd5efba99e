package cli

import (
	"errors"
	"fmt"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/urfave/cli/v2"
)

// exitCode returns the exit code for what a command returned.
func exitCode(err error) int {
	var (
		ending  *outcome.Ending
		stop    outcome.Stop
		usage   usageError
		command commandExit
		help    cli.ExitCoder // by urfave/cli itself: help is asked for a command that is not there
	)
	switch {
	case err == nil:
		return outcome.OK.Code(stop)
	case errors.As(err, &command):
		return int(command)
	case errors.As(err, &usage), errors.As(err, &help):
		return outcome.Usage.Code(stop)
	case !errors.As(err, &ending):
		return outcome.Failed.Code(stop)
	}
	_ = errors.As(err, &stop)
	return ending.Outcome.Code(stop)
}

// commandExit is the exit code of a user's command, which record passes on. It is not logged:
// record has done so.
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

// hintOf returns the hint that an error carries; "" for none.
func hintOf(err error) string {
	var (
		ending *outcome.Ending
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
