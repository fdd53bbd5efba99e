package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
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
	files map[string]string // with the exit codes of steps, by their names
}

func (f *verdictFlags) flags() []cli.Flag {
	return append(f.outputFlags.flags(),
		texts("step", "`NAME=FILE`: the exit code of step NAME is in FILE; once for each step of the run"))
}

func (f *verdictFlags) check(c *cli.Context) error {
	return cmp.Or(f.checkSteps(c.StringSlice("step")), f.outputFlags.check(c))
}

func (f *verdictFlags) checkSteps(steps []string) error {
	f.files = map[string]string{}
	for _, s := range steps {
		if err := f.addStep(s); err != nil {
			return err
		}
	}
	switch {
	case verdict.Overlap(f.files):
		return usageError{errors.New("--step fire-and-await is given, and fire-trigger or await-completed as well"),
			"fire-and-await is both of them, by await-completed --fire"}
	case verdict.Incomplete(f.files):
		return usageError{errors.New("--step await-completed is missing"),
			"without it nobody knows whether there is a copy: give each step of the run as --step NAME=FILE"}
	case len(f.files) == 0:
		return usageError{errors.New("--step is missing"),
			"give each step of the run as --step NAME=FILE; the steps are " + strings.Join(verdict.Steps(), ", ")}
	}
	return nil
}

func (f *verdictFlags) addStep(s string) error {
	name, file, found := strings.Cut(s, "=")
	switch _, twice := f.files[name]; {
	case !found:
		return usageError{fmt.Errorf("--step %q has no \"=\"", s), "give each step as --step NAME=FILE"}
	case !slices.Contains(verdict.Steps(), name):
		return usageError{fmt.Errorf("--step %q: there is no step %q", s, name),
			"the steps are " + strings.Join(verdict.Steps(), ", ")}
	case file == "":
		return usageError{fmt.Errorf("--step %q names no file", s),
			"was a parameter of the pipeline not given? Tekton's file is $(steps.step-NAME.exitCode.path)"}
	case twice:
		return usageError{fmt.Errorf("--step %s is given twice", name), "give each step of the run once"}
	}
	f.files[name] = file
	return nil
}

func (f *verdictFlags) run(m *program) (result.Values, error) {
	run := verdict.Read(f.files)
	var out result.Values
	out.Set("outcome", string(outcome.OK))
	out.Set("reason", "")
	out.Set("freeze-seconds", "")
	if freeze, known := run.Freeze(); known {
		out.Set("freeze-seconds", freeze.Round(time.Millisecond).Seconds())
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
