package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/handshake"
	"github.com/copytrigger/copytrigger/internal/step"
)

// runIDFlags are of every command that has to know the run.
type runIDFlags struct {
	runID    string
	runGiven bool // not made up
}

func (f *runIDFlags) flags(usage string) []cli.Flag {
	return []cli.Flag{text(&f.runID, "run-id", usage)}
}

// check refuses a command line without a run id: the id of the run must be that of its
// await-waiting.
func (f *runIDFlags) check(c *cli.Context) error {
	if err := f.checkOrMake(c); err != nil {
		return err
	}
	if !f.runGiven {
		return usageError{errors.New("--run-id is missing"), "give the id that await-waiting got"}
	}
	return nil
}

// checkOrMake makes up a run id where none is given, for the command that begins a run.
func (f *runIDFlags) checkOrMake(c *cli.Context) error {
	f.runID = handshake.RunOf(f.runID)
	f.runGiven = f.runID != ""
	if !f.runGiven {
		if c.IsSet("run-id") {
			return usageError{errors.New("--run-id is empty"), "give the id that await-waiting got"}
		}
		f.runID = newID()
	}
	if err := handshake.CheckRun(f.runID); err != nil {
		return usageError{fmt.Errorf("--run-id: %w", err),
			"use the engine's id of the run: Tekton $(context.taskRun.uid), Argo {{workflow.uid}}"}
	}
	return nil
}

// logRunID logs a run id that was made up: disarm needs it.
func (f *runIDFlags) logRunID(s step.Step) {
	if !f.runGiven {
		s.Log.Info("no --run-id given; this run is " + f.runID)
	}
}

// newID returns an id that no other process has.
func newID() string { return strings.ToLower(rand.Text()[:16]) }
