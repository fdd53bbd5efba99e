package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/copytrigger/copytrigger/internal/outcome"
	"github.com/copytrigger/copytrigger/internal/result"
	"github.com/copytrigger/copytrigger/internal/verdict"
)

// verdictCommand is the last step of a run. It needs no cluster.
func (m *program) verdictCommand() *cli.Command {
	return &cli.Command{
		Name:  "verdict",
		Usage: "turn the exit codes of a run's steps into its outcome, where all run whatever fails",
		Description: "Results: outcome, reason, freeze-seconds (from the end of await-waiting to the end of\n" +
			"unquiesce). The steps are " + strings.Join(verdict.Steps(), ", ") + ";\n" +
			"fire-and-await is await-completed --fire, and takes the place of the two. A step whose file\n" +
			"is missing did not run to its end. The exit code is 0 only if every one that is given ended\n" +
			"with 0. It asks no cluster.\n\n" +
			"Example:\n   copytrigger verdict --step quiesce=/tekton/steps/step-quiesce/exitCode --step ...",
		Flags:  append(outputFlags(), stepFlag()),
		Action: m.runLocally(m.verdict),
	}
}

func (m *program) verdict(o options) (result.Values, error) {
	run := verdict.Read(o.files)
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
