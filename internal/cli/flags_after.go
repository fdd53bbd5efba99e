package cli

import (
	"errors"

	"github.com/urfave/cli/v2"
)

// afterFlags are of the commands that only do their work if the step before ended well.
type afterFlags struct {
	after string // the file with its exit code; "" for no such gate
}

func (f *afterFlags) flags() []cli.Flag {
	return []cli.Flag{text(&f.after, "after",
		"`FILE` with the exit code of the step before (of what fires: quiesce): refuse unless it says 0")}
}

func (f *afterFlags) check(c *cli.Context) error {
	if f.after == "" && c.IsSet("after") {
		// A parameter that was not given must not open the gate.
		return usageError{errors.New("--after is empty"), "give the file with the exit code of the step before: " +
			"Tekton $(steps.step-quiesce.exitCode.path), or that of record"}
	}
	return nil
}
