package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
)

// action is a command once its flags are read and the cluster is known.
type action struct {
	do func(ctx context.Context, s step.Step, o options) (result.Values, error)
	// undo takes back what do has done well but cannot report, because of why. Its error
	// is how the command ends then. nil where nothing needs it.
	undo func(ctx context.Context, s step.Step, o options, why error) error
}

// writeResults writes the results of an action that ended with err, and gives what the command
// ends with. They are written for a bad end too, so that what a pipeline declares is there
// to be read.
//
// Results that cannot be written are a failure: whoever started the step goes by them. A
// good end is undone then, and what can be written says so, in place of what was already.
func (m *program) writeResults(v result.Values, dir string, err error, undo func(why error) error) error {
	setOutcome(&v, err)
	werr := v.Write(m.stdout, dir)
	if werr == nil {
		return err
	}
	if err == nil {
		err = undo(werr)
	}
	if !errors.Is(err, werr) {
		err = join(err, werr)
	}
	setOutcome(&v, err)
	_ = v.Write(io.Discard, dir) // each by itself: one of them cannot be written
	_ = v.Write(m.stdout, "")
	return err
}

// setOutcome says in the results how the action ended, if it did not end well.
func setOutcome(v *result.Values, err error) {
	var ending *outcome.Ending
	switch {
	case err == nil:
		return
	case errors.As(err, &ending):
		v.Set("outcome", string(ending.Outcome))
		v.Set("reason", ending.Why)
	default:
		v.Set("outcome", string(outcome.Failed))
		v.Set("reason", err.Error())
	}
}

// join is both errors on one line; the first, if there is one, decides the exit code.
func join(first, second error) error {
	if first == nil {
		return second
	}
	return fmt.Errorf("%w; and %w", first, second)
}
