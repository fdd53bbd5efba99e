package cli

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/step"
	"github.com/copytrigger/copytrigger/internal/verdict"
)

// verdictCommand is the last step of a run. It needs no cluster.
func (m *program) verdictCommand() command {
	f := &verdictFlags{}
	return command{
		name:  "verdict",
		usage: "turn the exit codes of a run's steps into its outcome, where all run whatever fails",
		example: "copytrigger verdict --step quiesce=/tekton/steps/step-quiesce/exitCode " +
			"--step await-completed=/tekton/steps/step-await-completed/exitCode",
		description: "Results: outcome, reason, freeze-seconds (from the end of await-waiting to the end of\n" +
			"unquiesce). The steps are " + strings.Join(verdict.Steps(), ", ") + ";\n" +
			"fire-and-await is await-completed --fire, and takes the place of the two. A step whose file\n" +
			"is missing did not run to its end. The exit code is 0 only if every one that is given ended\n" +
			"with 0. It asks no cluster.",
		flags:  f,
		action: m.withoutCluster(f, func() (result.Values, error) { return f.run(m) }),
	}
}

type verdictFlags struct {
	outputFlags
	stepFilesFlags
}

func (f *verdictFlags) flags() []cli.Flag {
	return slices.Concat(f.outputFlags.flags(), f.stepFilesFlags.flags())
}

func (f *verdictFlags) check(c *cli.Context) error {
	return cmp.Or(f.stepFilesFlags.check(c), f.checkGiven(), f.outputFlags.check(c))
}

func (f *verdictFlags) checkGiven() error {
	if len(f.files) == 0 {
		return usageError{errors.New("--step is missing"),
			"give each step of the run as --step NAME=FILE; the steps are " + strings.Join(verdict.Steps(), ", ")}
	}
	return nil
}

func (f *verdictFlags) run(m *program) (result.Values, error) {
	run := verdict.Read(f.files)
	var out result.Values
	out.Set("outcome", string(outcome.OK))
	out.Set("reason", "")
	out.Set("freeze-seconds", "")
	if freeze, known := run.Freeze(); known {
		out.Set("freeze-seconds", step.Seconds(freeze))
	}
	err := run.Outcome()
	switch {
	case err != nil:
	case run.Cleanup():
		m.log.Info("the cleanup ended well")
	default:
		m.log.Info("the run ended well: VolSync recorded the trigger, and every step ended with 0")
	}
	return out, err
}
